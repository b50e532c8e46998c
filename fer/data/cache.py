"""Parsed data sets on disk: written once, memory-mapped ever after."""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import filelock
import numpy as np
import numpy.typing as npt
import platformdirs

_LOG: Final = logging.getLogger(__name__)
_LAYOUT: Final = 1  # of the files below; an entry of another layout has another key
_META: Final = "meta.json"
_PARTIAL: Final = ".partial"
_BLOCK: Final = 1 << 20
#: Larger files are checked by their size alone when they are opened, in bytes.
_LARGE: Final = 1 << 28
#: Set to 1, every checksum is compared whenever an entry is opened.
VERIFY: Final = "FER_CACHE_VERIFY"

_VERIFYING: Final[ContextVar[bool]] = ContextVar("verifying", default=False)


@contextmanager
def verifying() -> Iterator[None]:
    """Compare the checksums of all files of the entries that are opened meanwhile."""
    token = _VERIFYING.set(True)
    try:
        yield
    finally:
        _VERIFYING.reset(token)


class CacheError(OSError):
    """The cache folder cannot be used; the message names it and says how to choose another."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed data set.

    Attributes:
        arrays: the arrays by name; those of a cached entry are :class:`MappedArray`.
        info: what else is known about it, anything that JSON can hold.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    info: Mapping[str, Any]


class MappedArray(np.memmap[Any, Any]):
    """A read-only memory map of a file, which other processes get by its path, not by its bytes."""

    def __reduce__(self) -> Any:
        base: mmap.mmap | None = getattr(self, "_mmap", None)
        if base is None or self.filename is None or not self.flags.c_contiguous:
            return np.array(self).__reduce__()
        start = np.frombuffer(base, dtype=np.uint8).__array_interface__["data"][0]
        first = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
        offset = first + self.__array_interface__["data"][0] - start
        return _mapped, (str(self.filename), self.dtype.str, offset, self.shape)


def _mapped(path: str, dtype: str, offset: int, shape: tuple[int, ...]) -> MappedArray:
    return np.memmap(path, dtype, "r", offset, shape).view(MappedArray)


def default_folder() -> Path:
    """Return ``$FER_CACHE``, or else this platform's cache folder of the user."""
    chosen = os.environ.get("FER_CACHE")
    return Path(chosen or platformdirs.user_cache_dir("fer", appauthor=False)).expanduser()


def file_key(path: Path, kind: str, version: int) -> str:
    """Return the key of a file's entry, from its path, size and times but not its contents.

    The key starts with ``kind``; raise ``version`` when the same file would give other arrays.
    """
    real = path.resolve()
    stat = real.stat()
    identity = (
        str(real),
        stat.st_size,
        stat.st_mtime_ns,
        stat.st_ctime_ns,
        stat.st_ino,
        version,
        _LAYOUT,
    )
    return _key(kind, identity)


def folder_key(root: Path, files: Iterable[object], kind: str, version: int, *more: object) -> str:
    """Return the key of the entry for the files of a folder as they are now.

    ``files`` holds name, size and time of change of each, ``more`` the settings that matter.
    """
    return _key(kind, chain((str(root.resolve()), version, *more, _LAYOUT), files))


def recipe_key(kind: str, recipe: str) -> str:
    """Return the key of generated data; ``recipe`` is all that decides it, versions included."""
    return _key(kind, (recipe, _LAYOUT))


def folder_of(chosen: str | None) -> Path:
    """Return the folder that a source was given for its cache, or else the default one."""
    return Path(chosen).expanduser() if chosen else default_folder()


def _key(kind: str, identity: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for part in identity:  # one by one: there may be millions of files
        digest.update(f"{part!r}\n".encode())
    return f"{kind}-{digest.hexdigest()[:16]}"


class Cache:
    """A folder of entries, each a folder of ``.npy`` files and a ``meta.json``.

    An entry is built in the folder ``KEY.partial`` and renamed when it is whole, under a
    lock (``KEY.lock``), so of several processes one builds and the others find it. What a killed
    build leaves is removed by the next. Everything in the folder may be deleted at any time when no
    process runs.

    Checksums are taken when an entry is built. Opening it compares the size of every file, and the
    checksums of those up to 256 MB; of larger ones too where :data:`VERIFY` is set, and within
    :func:`verifying`, as ``fer data check`` does.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str, build: Callable[[Path], Entry]) -> Entry:
        """Return the entry ``key``, built first where it is missing or damaged.

        ``build`` gets a folder where it may write large arrays itself, as ``NAME.npy``, rather than
        return them. When it raises, nothing is stored.

        Raises:
            CacheError: the entry cannot be written: no permission, no room, a file in the way.
        """
        path = self.folder / key
        try:
            # Without the lock: a finished entry does not change, and a cache that can only be
            # read still serves.
            return _read(path)
        except (_MissingError, _DamagedError):
            pass
        with self._locked(key):
            try:
                return _read(path)  # another process may have built it while this one waited
            except _DamagedError as error:
                _LOG.warning("the cached copy %s is damaged (%s): building it again", path, error)
            except _MissingError:
                pass
            self._store(key, build)
            return _read(path)

    def _store(self, key: str, build: Callable[[Path], Entry]) -> None:
        path, partial = self.folder / key, self.folder / (key + _PARTIAL)
        try:
            with self._explained():
                self._remove_leftovers()
                partial.mkdir()  # before the long work: a folder that cannot be written says so now
            entry = build(partial)
            with self._explained():
                _write(partial, entry)
                if path.exists():
                    shutil.rmtree(path)
                partial.rename(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Remove what crashed builds left: the folders whose lock nobody else holds."""
        for partial in self.folder.glob("*" + _PARTIAL):
            lock = self._lock(partial.name.removesuffix(_PARTIAL))
            try:
                with lock.acquire(timeout=0):
                    shutil.rmtree(partial, ignore_errors=True)
            except filelock.Timeout:
                continue

    def _lock(self, key: str) -> filelock.BaseFileLock:
        # A singleton: the lock of the entry in hand is taken a second time for its own leftovers.
        return filelock.FileLock(self.folder / f"{key}.lock", is_singleton=True)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        lock = self._lock(key)
        with self._explained():
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                _LOG.info("another process is building %s: waiting for it", self.folder / key)
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CacheError(
                f"the cache folder {self.folder} cannot be written ({error}); make room or give "
                "yourself the right to write there, or set FER_CACHE to another folder"
            ) from error


class _MissingError(Exception):
    """There is no such entry."""


class _DamagedError(Exception):
    """The entry is not what was written."""


def _write(folder: Path, entry: Entry) -> None:
    for name, array in entry.arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    files = {
        file.stem: {"size": file.stat().st_size, "crc32": _crc32(file)}
        for file in sorted(folder.glob("*.npy"))
    }
    content = {"info": dict(entry.info), "files": files}
    meta = {"content": content, "crc32": zlib.crc32(_canonical(content))}
    (folder / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _read(folder: Path) -> Entry:
    verify = _VERIFYING.get() or os.environ.get(VERIFY, "0") not in ("", "0")
    try:
        if not folder.is_dir():
            raise _MissingError
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        content = meta["content"]
        if zlib.crc32(_canonical(content)) != meta["crc32"]:
            raise _DamagedError(f"the checksum of {_META} is wrong")
        arrays = {}
        for name, expected in content["files"].items():
            file = folder / f"{name}.npy"
            if (size := file.stat().st_size) != expected["size"]:
                raise _DamagedError(f"{file.name} has {size} bytes, not {expected['size']}")
            if (size <= _LARGE or verify) and _crc32(file) != expected["crc32"]:
                raise _DamagedError(f"the checksum of {file.name} is wrong")
            arrays[name] = np.load(file, mmap_mode="r", allow_pickle=False).view(MappedArray)
    except (OSError, ValueError, LookupError, TypeError) as error:
        # A file that is gone or cannot be read, a meta.json that is no JSON or another's.
        raise _DamagedError(str(error)) from error
    return Entry(arrays, content["info"])


def _canonical(content: object) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _crc32(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum
