"""Find a data file and read it once: unpacked on the way, hashed as stored, progress shown."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fer.data._members import HEAD, is_tar, is_zip, limited, open_tar_member, open_zip_member
from fer.data.source import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK: Final = 1 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"
_BROKEN: Final = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError)


def first_file(candidates: Iterable[Path]) -> Path | None:
    """Return the first of ``candidates`` that is a file."""
    return next((path for path in candidates if path.is_file()), None)


class DataFile:
    """A data file being read.

    Attributes:
        stream: its contents, unpacked.
    """

    def __init__(
        self, stream: io.BufferedIOBase, below: Sequence[io.BufferedIOBase], stored: _Stored
    ) -> None:
        self.stream = stream
        self._below = below
        self._stored = stored

    def sha256(self) -> str:
        """Return the hex digest of the bytes as stored (of a packed file: the packed bytes)."""
        for layer in self._below:
            while layer.read(_BLOCK):  # whatever lies behind what was parsed
                pass
        return self._stored.digest.hexdigest()


@contextmanager
def open_data_file(path: Path, advice: str, members: Sequence[str] = ()) -> Iterator[DataFile]:
    """Open ``path`` for one reading from start to end.

    Whether it is packed, or an archive, is told by its first bytes, since names lie: browsers
    unpack a ``.gz`` and keep its name. A progress bar is shown where standard error is a terminal.

    Args:
        path: the file.
        advice: what to do about a broken file, the last line of the message.
        members: in a zip or tar archive, the file names of which the first found is read; none to
            take archives for what else they may be.

    Raises:
        DataError: the archive is truncated or corrupt, holds none of ``members``, or unpacks to
            more than a data set does; raised by whatever reads the stream.
        OSError: the file cannot be read.
    """
    from tqdm import tqdm

    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb", buffering=0))
        bar = stack.enter_context(
            tqdm(
                desc=f"reading {path.name}",
                total=path.stat().st_size,
                unit="B",
                unit_scale=True,
                leave=False,
                disable=None,  # silent unless standard error is a terminal
            )
        )
        stored = _Stored(file, bar.update)
        packed = stack.enter_context(io.BufferedReader(stored, _BLOCK))
        try:
            stream: io.BufferedReader[Any] = packed
            if packed.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC):
                unpacked = stack.enter_context(gzip.GzipFile(fileobj=packed))
                stream = limited(unpacked, str(path))
            below: list[io.BufferedIOBase] = [stream, packed]
            head = stream.peek(HEAD) if members else b""
            if is_tar(head):
                stream = open_tar_member(stack, stream, members, str(path))
            elif members and stream is packed and (is_zip(head) or zipfile.is_zipfile(path)):
                # A zip archive is read from its end: by a file of its own, so that the first
                # still goes from start to end for the hash. Both count, so no share is known.
                bar.total = None
                again = stack.enter_context(path.open("rb"))
                stream = open_zip_member(stack, again, members, str(path), bar.update)
            yield DataFile(stream, below, stored)
        except _BROKEN as error:
            raise DataError(
                f"{path}: the archive is truncated or corrupt ({error})\n{advice}"
            ) from error


class _Stored(io.RawIOBase):
    """The bytes as they lie on the disk: each is hashed and counted when it is read."""

    def __init__(self, file: io.FileIO, advance: Callable[[int], object]) -> None:
        self._file = file
        self._advance = advance
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = self._file.readinto(buffer) or 0
        self.digest.update(memoryview(buffer)[:count])
        self._advance(count)
        return count
