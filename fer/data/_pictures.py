"""Picture files in folders: list them, and read them with each broken one named."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.data.issues import LISTED
from fer.data.source import DataError
from fer.picture_folders import is_folder, left_out, list_pictures
from fer.pictures import decoded, file_bytes
from fer.pixels import Image

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture that is there, not read yet.

    Attributes:
        name: its path below the root, with ``/`` on every system.
        size: in bytes.
        mtime_ns: when it was last changed.
    """

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures that could be read.

    Attributes:
        images: uint8 ``[N, side, side]``; None where they were written to a file.
        kept: int64 ``[N]``, each one's position among the files.
        sha256: of the names and contents of all files.
        broken: position and problem of each of the others.
    """

    images: npt.NDArray[np.uint8] | None
    kept: npt.NDArray[np.int64]
    sha256: str
    broken: tuple[tuple[int, str], ...]


def folders_in(folder: Path) -> list[str]:
    """Return the sorted names of the folders in one, hidden ones left out.

    Raises:
        OSError: it cannot be read.
    """
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if is_folder(e) and not e.name.startswith("."))


def pictures_in(
    root: Path, *parts: str, deep: bool = True, others: dict[str, list[str]] | None = None
) -> list[PictureFile]:
    """Return the pictures in a folder below ``root``, in any order.

    Args:
        root: what names are below.
        parts: of the folder.
        deep: look into the folders in it too.
        others: gets what else lies there, by kind.

    Raises:
        DataError: a name is no UTF-8, so that no table, page or JSON could hold it.
        OSError: it cannot be read.
    """
    folder = "/".join(parts)
    listing = list_pictures(root / folder, deep=deep)
    if others is not None:
        for kind, names in listing.others.items():
            others.setdefault(kind, []).extend(f"{folder}/{name}" for name in names)
    found = []
    for below in listing.pictures:
        name = f"{folder}/{below}"
        path = f"{root}/{name}"
        _check_text(path)
        try:
            stat = os.stat(path)  # noqa: PTH116 - as fast as can be: there may be millions.
        except OSError as error:
            if error.errno not in _NOWHERE:
                raise
            # A link that leads nowhere is a broken picture, until it leads somewhere.
            stat = os.lstat(path)
        found.append(PictureFile(name, stat.st_size, stat.st_mtime_ns))
    return found


#: What is said of links that lead nowhere.
_NOWHERE: Final = (errno.ENOENT, errno.ELOOP)


def said_of(root: Path, others: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the note on what is not read among the pictures of a data set; log it, too."""
    if not others:
        return ()
    note = f"left out: {left_out(others)}"
    _LOG.warning("%s: %s", root, note)
    return (note,)


def _check_text(path: str) -> None:
    """Hold that a path is text: bytes of another encoding come as halves of characters.

    Raises:
        DataError: it is not.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"the name {os.fsencode(path)!r} is no UTF-8: rename it, and its folders if need be"
        ) from None


def read_pictures(
    root: Path,
    files: Sequence[PictureFile],
    side: int,
    convert: Callable[[Image], Image],
    *,
    drop_defects: bool,
    to: Path | None = None,
) -> Pictures:
    """Read pictures, with a progress bar where standard error is a terminal.

    Args:
        root: what their names are below.
        files: the pictures.
        side: height and width that ``convert`` gives, in pixels.
        convert: from uint8 ``[H, W]`` or ``[H, W, 3]`` RGB to uint8 ``[side, side]``; raises
            ValueError where a picture will not do.
        drop_defects: leave broken pictures out rather than refuse them all.
        to: a ``.npy`` file that is written picture by picture, for sets that memory does not hold;
            it has a row for each file, of which the last are empty where some were left out.

    Raises:
        DataError: pictures are broken, and not to be left out.
        OSError: one cannot be opened.
    """
    from tqdm import tqdm

    shape = (len(files), side, side)
    images = np.empty(shape, dtype=np.uint8) if to is None else None
    kept: list[int] = []
    broken: list[tuple[int, str]] = []
    digest = hashlib.sha256()
    bar = tqdm(files, desc=f"reading {root.name}", unit=" pictures", leave=False, disable=None)
    with to.open("wb") if to is not None else nullcontext() as file:
        if file is not None:
            form = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, form)
        for i, picture in enumerate(bar):
            digest.update(f"{picture.name}\n".encode())
            try:
                data = file_bytes(root / picture.name)
                digest.update(hashlib.sha256(data).digest())
                image = convert(decoded(data))
            except (ValueError, OSError) as error:
                if isinstance(error, OSError) and error.errno not in _NOWHERE:
                    raise
                broken.append((i, getattr(error, "strerror", None) or str(error)))
                continue
            if images is not None:
                images[len(kept)] = image
            if file is not None:
                file.write(image.tobytes())
            kept.append(i)
        if file is not None:
            file.truncate(file.tell() + len(broken) * side * side)
    if broken and not drop_defects:
        raise _complaint(root, files, broken)
    return Pictures(
        None if images is None else images[: len(kept)],
        np.array(kept, dtype=np.int64),
        digest.hexdigest(),
        tuple(broken),
    )


def _complaint(
    root: Path, files: Sequence[PictureFile], broken: Sequence[tuple[int, str]]
) -> DataError:
    lines = [f"{root}: {len(broken):,} of {len(files):,} pictures cannot be used:"]
    lines += [f"  {files[i].name}: {problem}" for i, problem in broken[:LISTED]]
    if len(broken) > LISTED:
        lines.append(f"  ... and {len(broken) - LISTED:,} more")
    lines.append("What to do: mend or remove them, or leave them out with data.clean.defects=drop.")
    return DataError("\n".join(lines))
