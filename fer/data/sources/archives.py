"""Read one data file from start to end: unpacked on the way, never to the disk, and bounded.

Archives come from anywhere. Members whose names leave the archive, links and sparse files are never
opened, and reading stops at :data:`LIMIT`, whatever the archive says of its own sizes.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Self

from fer.data.issues import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: How much is unpacked at most, in bytes: more than three times what FER2013 holds.
LIMIT: Final = 1 << 30

_BLOCK: Final = 1 << 20
_BROKEN: Final = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError)
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_SHOWN: Final = 5
_PICTURES: Final = (".jpg", ".jpeg", ".png")


def first_file(candidates: Iterable[Path]) -> Path | None:
    """Return the first of ``candidates`` that is a file."""
    return next((path for path in candidates if path.is_file()), None)


@contextmanager
def open_data_file(
    path: Path, advice: str, members: Sequence[str] = ()
) -> Iterator[io.BufferedReader]:
    """Open ``path`` for one reading from start to end.

    The first bytes tell whether it is packed: browsers unpack a ``.gz`` and keep its name. A
    progress bar is shown where standard error is a terminal.

    Args:
        advice: what to do about a broken file, the last line of the message.
        members: in a zip or tar archive, the file names of which the first found is read.

    Raises:
        DataError: the archive is truncated or corrupt, holds none of ``members``, or unpacks to
            more than :data:`LIMIT`; also raised by reading.
    """
    from tqdm import tqdm

    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        bar = stack.enter_context(
            tqdm(desc=f"reading {path.name}", unit="B", unit_scale=True, leave=False, disable=None)
        )
        try:
            stream = below = _bounded(file, path, bar.update)
            head = file.peek(4)[:4]
            if head[:2] == b"\x1f\x8b":
                unpacked = stack.enter_context(gzip.GzipFile(fileobj=file))
                stream = below = _bounded(unpacked, path, bar.update)
            if members and stream.peek(512)[257:262] == b"ustar":
                stream = _open_tar(stack, stream, members, path)
            elif members and (head in _ZIP or (stream is below and zipfile.is_zipfile(path))):
                stream = _open_zip(stack, members, path, bar.update)
            yield stream
            # The checksum of a gzip file is behind all that it holds.
            while below.read(_BLOCK):
                pass
        except _BROKEN as error:
            raise DataError(
                f"{path}: the archive is truncated or corrupt ({error})\n{advice}",
                code="broken_archive",
                where=str(path),
            ) from error


def _open_zip(
    stack: ExitStack, members: Sequence[str], path: Path, advance: Callable[[int], object]
) -> io.BufferedReader:
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
        files = [info for info in archive.infolist() if not info.filename.endswith("/")]
        chosen = next((info for info in files if _is_wanted(info.filename, members)), None)
        if chosen is None:
            raise _missing(path, members, [info.filename for info in files])
        where = f"{path}: {chosen.filename}"
        unread = ""
        if chosen.flag_bits & 1:
            unread = "is encrypted; unpack it yourself and name the folder"
        elif chosen.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            unread = f"is packed by method {chosen.compress_type}, which is not read"
        if unread:
            raise DataError(f"{where} {unread}", code="unreadable_member", where=where)
        _check_size(chosen.file_size, where)
        return _bounded(stack.enter_context(archive.open(chosen)), where, advance)
    except DataError:
        raise
    except (OSError, RuntimeError, ValueError, struct.error) as error:
        # Whatever zipfile trips over in a corrupt archive.
        raise zipfile.BadZipFile(str(error)) from error


def _open_tar(
    stack: ExitStack, stream: io.BufferedReader, members: Sequence[str], path: Path
) -> io.BufferedReader:
    seen: list[str] = []
    # "r|": front to back, without seeking, since the archive is being unpacked meanwhile.
    archive = stack.enter_context(
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_BoundedHeader)  # noqa: SIM115
    )
    for member in archive:
        # Not what a link points to, nor a sparse file, whose holes unpack to any size.
        if not member.isreg() or member.issparse():
            continue
        # A few names are enough for the message, those of pictures first.
        if len(seen) <= _SHOWN:
            seen.append(member.name)
        elif member.name.lower().endswith(_PICTURES):
            seen[0] = member.name
        if _is_wanted(member.name, members):
            where = f"{path}: {member.name}"
            _check_size(member.size, where)
            inner = archive.extractfile(member)
            if inner is not None:
                return _bounded(stack.enter_context(inner), where)
        # The list of members past would grow with the archive.
        archive.members = []  # type: ignore[attr-defined]
    raise _missing(path, members, seen)


class _BoundedHeader(tarfile.TarInfo):
    """An entry of a tar archive with a short name and attributes, since memory holds these."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type not in tarfile.REGULAR_TYPES and header.size > _BLOCK:
            raise tarfile.TarError(f"it has a header of {header.size:,} bytes")
        return header


class _Bounded(io.RawIOBase):
    """A stream that is not read behind :data:`LIMIT` bytes."""

    def __init__(self, inner: Any, where: object, advance: Callable[[int], object] | None) -> None:
        self._inner, self._where, self._advance = inner, where, advance
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        data = self._inner.read(len(view))
        view[: len(data)] = data
        self._count += len(data)
        _check_size(self._count, self._where)
        if self._advance is not None:
            self._advance(len(data))
        return len(data)


def _bounded(
    inner: Any, where: object, advance: Callable[[int], object] | None = None
) -> io.BufferedReader:
    return io.BufferedReader(_Bounded(inner, where, advance), _BLOCK)


def _check_size(size: int, where: object) -> None:
    if size > LIMIT:
        raise DataError(
            f"{where} unpacks to more than {LIMIT:,} bytes, which no copy of the data set does: "
            "it was not read any further",
            code="archive_too_large",
            where=str(where),
        )


def _is_wanted(name: str, members: Sequence[str]) -> bool:
    """Return True if a member has a wanted name that stays within the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    is_inside = not path.is_absolute() and ".." not in path.parts and ":" not in name
    return path.name.lower() in members and is_inside


def _missing(path: Path, members: Sequence[str], found: Sequence[str]) -> DataError:
    if any(name.lower().endswith(_PICTURES) for name in found):
        advice = "it holds pictures: unpack it and name the folder by data.root=FOLDER"
    elif found:
        more = ", …" if len(found) > _SHOWN else ""
        advice = f"it holds {', '.join(map(repr, found[:_SHOWN]))}{more}"
    else:
        advice = "it holds no files"
    return DataError(
        f"{path}: no {' or '.join(members)} is in this archive ({advice}). Names that are absolute "
        "or hold '..' are never opened",
        code="not_in_archive",
        where=str(path),
    )
