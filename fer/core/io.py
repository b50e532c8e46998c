"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from fer.core import locks

#: What a write fails with, without saying in which file.
DISK_ERRORS: Final = (errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EROFS)
#: By which files that are not finished are known.
_MARK: Final = ".fer-"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path to write to, which takes the place of ``path`` when all went well.

    A link stays, and what it leads to is replaced. What is no plain file (a device, a pipe) gets
    the content written to it at the end. What a process that was killed had begun in the folder is
    removed.

    Raises:
        OSError: the folder can't be written to, or the disk is full; ``path``, which it names, is
            as it was.
    """
    # The suffix stays, since writers choose the format by it.
    prefix, suffix = f".{path.stem}{_MARK}", path.suffix
    through = _is_written_through(path)
    target = Path(os.path.realpath(path))
    folder = Path(tempfile.gettempdir()) if through else target.parent
    beside: Path | None = None
    handle: int | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _tidy(folder)
        beside, handle = _begun(folder, prefix, suffix)
        yield beside
        if through:
            # What is open already, as /dev/stdout, keeps what it has.
            with beside.open("rb") as content, path.open("ab") as stream:
                shutil.copyfileobj(content, stream)
            return
        _flush(beside)
        # mkstemp makes files that only their owner may read.
        beside.chmod(0o666 & ~_umask())
        if os.name == "nt":  # Which moves no open file.
            os.close(handle)
            handle = None
        beside.replace(target)
    except OSError as error:
        if error.errno is None and str(error).endswith(" written"):
            # NumPy counts what it could not write, and says neither where nor why.
            raise OSError(f"{path} can't be written ({error}: is the disk full?)") from error
        if error.errno is None or not _is_of(error, prefix, suffix):
            raise
        # Nobody knows the hidden file, which is gone.
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        if handle is not None:
            os.close(handle)
        if beside is not None:
            beside.unlink(missing_ok=True)


def _is_written_through(path: Path) -> bool:
    """Say whether a rename would put a file in the place of a device, a pipe or an open file."""
    if str(path.absolute()).startswith(("/dev/fd/", "/dev/std", "/proc/")):
        return True
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _begun(folder: Path, prefix: str, suffix: str) -> tuple[Path, int]:
    """Make a hidden file and hold it open: so others tell it from what a killed process left."""
    while True:
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=folder)
        locks.lock(handle)
        if os.fstat(handle).st_nlink:
            return Path(name), handle
        # Taken for a leftover before it was held.
        os.close(handle)


def _is_of(error: OSError, prefix: str, suffix: str) -> bool:
    """Say whether an error is about a hidden file, or one that says of no file but of a write."""
    if not isinstance(error.filename, str):
        return error.errno in DISK_ERRORS
    name = Path(error.filename).name
    return name.startswith(prefix) and name.endswith(suffix)


def expand_user(path: str) -> str:
    """Return a path with the user's own folder in place of a ``~`` that it begins with."""
    begins = path == "~" or path.startswith(("~/", "~\\"))
    # Left as it is where the user has no folder.
    return os.path.expanduser(path) if begins else path  # noqa: PTH111


def expand_option_user(word: str) -> str:
    """Return a word of a command line with the user's own folder for ``~``, as in ``--to=~/a``.

    Shells replace it at the beginning of a word alone.
    """
    name, equals, value = word.partition("=")
    return f"{name}={expand_user(value)}" if equals and name.startswith("-") else expand_user(word)


def why_not_writable(folder: Path) -> str | None:
    """Say why files can't be written to a folder, which need not be there yet; None where they can.

    Nothing is left behind, and nothing seen meanwhile: who looks into the folder would take it for
    content. Where a file can't be without a name, that is one that :func:`remove_leftovers` knows.
    """
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if _is(place))
    if not there.is_dir():
        return f"{there} is a file, not a folder"
    try:
        with tempfile.TemporaryFile(prefix=f".{_MARK}", suffix=".tmp", dir=there):
            return None
    except OSError as error:
        return f"nothing can be written to {there} ({error.strerror})"


def _is(place: Path) -> bool:
    return os.path.lexists(place)


def real_path(path: Path) -> Path:
    """Return a path without links in it; links in a circle, on which Path.resolve fails, stay."""
    return Path(os.path.realpath(path))


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    with atomic_write(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON that any reader takes: numbers that are not finite are refused.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def _flush(path: Path) -> None:
    """Have the content on the disk before the name: a rename may otherwise outrun it in a crash."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes had begun to write in a folder by :func:`atomic_write`."""
    for path in folder.glob(f".*{_MARK}????????*"):
        locks.remove_unlocked(path)


@functools.cache
def _tidy(folder: Path) -> None:
    # Once a process: thousands of files may go to one folder.
    remove_leftovers(folder)


def _umask() -> int:
    # There is no other way to read it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
