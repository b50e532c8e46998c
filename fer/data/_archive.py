"""Find a data file and read it once: unpacked on the way, hashed as stored, progress shown."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer.data.source import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK: Final = 1 << 20
_GZIP_MAGIC: Final = b"\x1f\x8b"


def first_file(candidates: Iterable[Path]) -> Path | None:
    """Return the first of ``candidates`` that is a file."""
    return next((path for path in candidates if path.is_file()), None)


class DataFile:
    """A data file being read.

    Attributes:
        stream: its contents, unpacked.
    """

    def __init__(
        self, stream: io.BufferedIOBase, packed: io.BufferedIOBase, stored: _Stored
    ) -> None:
        self.stream = stream
        self._packed = packed
        self._stored = stored

    def sha256(self) -> str:
        """Return the hex digest of the bytes as stored (of a packed file: the packed bytes)."""
        while self._packed.read(_BLOCK):  # whatever lies behind what was parsed
            pass
        return self._stored.digest.hexdigest()


@contextmanager
def open_data_file(path: Path, advice: str) -> Iterator[DataFile]:
    """Open ``path`` for one reading from start to end.

    Whether it is packed is told by its first bytes, since names lie: browsers unpack a ``.gz``
    and keep its name. A progress bar is shown where standard error is a terminal.

    Args:
        path: the file.
        advice: what to do about a broken file, the last line of the message.

    Raises:
        DataError: the archive is truncated or corrupt; raised by whatever reads the stream.
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
        stream: io.BufferedIOBase = packed
        if packed.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC):
            stream = stack.enter_context(gzip.GzipFile(fileobj=packed))
        try:
            yield DataFile(stream, packed, stored)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
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
