"""Read one file out of an archive: streamed, never unpacked to the disk, and no further than due.

An archive comes from anywhere. Names that leave its folder are never opened, links and sparse
files neither, and reading stops at :data:`LIMIT`, whatever the archive says of its own sizes.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Protocol, Self

from fer.data.source import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: How much is unpacked at most, in bytes: more than three times what FER2013 holds.
LIMIT: Final = 1 << 30

_ZIP_MAGIC: Final = b"PK"
_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_AT: Final = 257
#: How much of a file's start tells what it is.
HEAD: Final = 512
_BLOCK: Final = 1 << 20
_ENCRYPTED: Final = 1
_HEADER_TYPES: Final = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_SHOWN: Final = 5
_PICTURES: Final = (".jpg", ".jpeg", ".png")


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""
        ...


def is_zip(head: bytes) -> bool:
    """Say whether a file that starts with ``head`` is a zip archive."""
    return head[:2] == _ZIP_MAGIC and head[2:4] in (b"\x03\x04", b"\x05\x06", b"\x07\x08")


def is_tar(head: bytes) -> bool:
    """Say whether a file that starts with ``head`` is a tar archive."""
    return head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + len(_TAR_MAGIC)] == _TAR_MAGIC


def limited(
    inner: Readable, origin: str, advance: Callable[[int], object] | None = None
) -> io.BufferedReader:
    """Return a reader of ``inner`` that gives up behind :data:`LIMIT` bytes.

    Args:
        inner: what is unpacked.
        origin: the file, for the message.
        advance: told how many bytes each reading brought.
    """
    return io.BufferedReader(_Limited(inner, origin, advance), _BLOCK)


def open_zip_member(
    stack: ExitStack,
    file: io.BufferedIOBase,
    names: Sequence[str],
    origin: str,
    advance: Callable[[int], object],
) -> io.BufferedReader:
    """Open the first member of a zip archive whose file name is one of ``names``.

    Raises:
        DataError: there is none, or it is encrypted, packed by a rare method or too large.
        zipfile.BadZipFile: the archive is truncated or corrupt; also raised by reading.
    """
    with _bad_zip():
        archive = stack.enter_context(zipfile.ZipFile(file))
    members = [info for info in archive.infolist() if not info.filename.endswith("/")]
    for info in members:
        if not _wanted(info.filename, names):
            continue
        where = f"{origin}: {info.filename}"
        if info.flag_bits & _ENCRYPTED:
            raise DataError(f"{where} is encrypted; unpack it yourself and name the folder")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{where} is packed by method {info.compress_type}, which is not read")
        _check_size(info.file_size, where)
        with _bad_zip():
            inner = stack.enter_context(archive.open(info))
        return limited(inner, where, advance)
    raise _missing(origin, names, (info.filename for info in members))


@contextmanager
def _bad_zip() -> Iterator[None]:
    """Turn whatever zipfile trips over in a corrupt archive into the error that says so."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, struct.error) as error:
        raise zipfile.BadZipFile(str(error)) from error


def open_tar_member(
    stack: ExitStack, stream: io.BufferedIOBase, names: Sequence[str], origin: str
) -> io.BufferedReader:
    """Open the first member of a tar archive whose file name is one of ``names``.

    Raises:
        DataError: there is none, or it is too large.
        tarfile.TarError: the archive is truncated or corrupt; also raised by reading.
    """
    # "r|": front to back, without seeking, since the archive is being unpacked meanwhile.
    try:
        archive = tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header)  # noqa: SIM115
        return _tar_member(stack, stack.enter_context(archive), names, origin)
    except _HeaderError as error:
        raise DataError(f"{origin}: {error}; it was not read any further") from None


def _tar_member(
    stack: ExitStack, archive: tarfile.TarFile, names: Sequence[str], origin: str
) -> io.BufferedReader:
    seen: list[str] = []
    for member in archive:
        # Not what a link points to, nor a sparse file, whose holes unpack to any size.
        if not member.isreg() or member.issparse():
            continue
        # A few names are enough for the message, those of pictures first.
        if len(seen) <= _SHOWN:
            seen.append(member.name)
        elif member.name.lower().endswith(_PICTURES):
            seen[0] = member.name
        if _wanted(member.name, names):
            where = f"{origin}: {member.name}"
            _check_size(member.size, where)
            inner = archive.extractfile(member)
            if inner is not None:
                return limited(stack.enter_context(inner), where)
        # The list of members past would grow with the archive.
        archive.members = []  # type: ignore[attr-defined]
    raise _missing(origin, names, seen)


class _HeaderError(Exception):
    """A tar archive has a header of an absurd length."""


class _Header(tarfile.TarInfo):
    """An entry of a tar archive that is no excuse for filling the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the entry that starts with ``buf``.

        Raises:
            _HeaderError: it holds a name or attributes, which are read into memory, of any length.
        """
        header = super().frombuf(buf, encoding, errors)
        if header.type in _HEADER_TYPES and header.size > _BLOCK:
            raise _HeaderError(f"the archive has a header of {header.size:,} bytes")
        return header


class _Limited(io.RawIOBase):
    """A stream that is not read behind :data:`LIMIT` bytes."""

    def __init__(
        self, inner: Readable, origin: str, advance: Callable[[int], object] | None
    ) -> None:
        self._inner = inner
        self._origin = origin
        self._advance = advance
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        data = self._inner.read(len(view))
        view[: len(data)] = data
        count = len(data)
        self._count += count
        _check_size(self._count, self._origin)
        if self._advance is not None:
            self._advance(count)
        return count


def _check_size(size: int, where: str) -> None:
    if size > LIMIT:
        raise DataError(
            f"{where} unpacks to more than {LIMIT:,} bytes, which no copy of the data set does: "
            "it was not read any further"
        )


def _wanted(name: str, names: Sequence[str]) -> bool:
    """Say whether a member is what is looked for, and its name stays within the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    is_inside = not path.is_absolute() and ".." not in path.parts and ":" not in name
    return path.name.lower() in names and is_inside


def _missing(origin: str, names: Sequence[str], members: Iterable[str]) -> DataError:
    found = list(members)
    wanted = " or ".join(names)
    if any(name.lower().endswith(_PICTURES) for name in found):
        advice = "it holds pictures: unpack it and name the folder by data.root=FOLDER"
    elif found:
        more = ", …" if len(found) > _SHOWN else ""
        advice = f"it holds {', '.join(map(repr, found[:_SHOWN]))}{more}"
    else:
        advice = "it holds no files"
    return DataError(
        f"{origin}: no {wanted} is in this archive ({advice}). Names that are absolute or hold "
        "'..' are never opened"
    )
