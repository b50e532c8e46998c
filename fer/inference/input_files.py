"""The pictures that a command reads, and the paths of those that it draws."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fer.core.errors import UserError
from fer.core.io import real_path
from fer.picture_folders import left_out, list_pictures
from fer.pictures import SUFFIXES, shown

#: Formats of annotated pictures; those of other pictures become PNG.
DRAWN: Final = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to read.

    Attributes:
        path: of the file.
        place: of an annotated copy, relative to its folder.
    """

    path: Path
    place: Path

    @property
    def name(self) -> str:
        """Its path as text that any terminal or file accepts."""
        return shown(self.path)


def list_inputs(
    arguments: Sequence[str | Path],
    *,
    leave: Path | None = None,
    others: dict[str, list[str]] | None = None,
) -> list[Picture]:
    """Return the given files, whatever their names, and the pictures in the folders, each once.

    Args:
        arguments: files and folders, see :func:`fer.picture_folders.list_pictures`.
        leave: a folder for results, which is left out.
        others: gets the other files of the folders, by kind.

    Raises:
        UserError: one does not exist, or a folder has no picture.
    """
    found: dict[Path, Picture] = {}
    for argument in map(Path, arguments):
        if argument.is_dir():
            listing = list_pictures(argument, leave=leave)
            inside = [Picture(argument / name, Path(name)) for name in listing.pictures]
            for kind, names in listing.others.items():
                if others is not None:
                    others.setdefault(kind, []).extend(str(argument / name) for name in names)
            if not inside:
                more = f"; {left_out(listing.others)}" if listing.others else ""
                raise UserError(
                    f"{shown(argument)} holds no pictures ({', '.join(SUFFIXES)}){more}"
                )
        elif os.path.lexists(argument):
            inside = [Picture(argument, Path(argument.name))]
        else:
            raise UserError(f"there is no file or folder {shown(argument)}")
        for picture in inside:
            found.setdefault(picture.path.absolute(), picture)
    return list(found.values())


def drawing_paths(pictures: Sequence[Picture], out: Path, *, one_file: bool) -> list[Path]:
    """Return the path of each picture's annotated copy.

    Args:
        pictures: that are read.
        out: a folder, or the file if ``one_file``.
        one_file: a single file was given rather than a folder or several.

    Raises:
        UserError: a copy would replace a picture that is read, or ``out`` is of the wrong kind.
    """
    if one_file and not out.is_dir():
        if out.suffix.lower() not in DRAWN:
            raise UserError(f"--draw {shown(out)} must end in one of {', '.join(DRAWN)}")
        places = [out]
    else:
        if out.exists() and not out.is_dir():
            raise UserError(
                f"--draw {shown(out)} is a file; of several pictures it must be a folder"
            )
        names = [picture.place for picture in pictures]
        drawn = [n if n.suffix.lower() in DRAWN else n.with_suffix(".png") for n in names]
        places = _apart([out / name for name in drawn])
    originals = {real_path(picture.path) for picture in pictures}
    for place in places:
        if real_path(place) in originals:
            raise UserError(
                f"--draw would write over {shown(place)}, which is read: name another "
                f"{'file' if one_file else 'folder'}"
            )
    return places


def _apart(places: Sequence[Path]) -> list[Path]:
    """Return the paths with a number added to repeated ones."""
    taken: set[Path] = set()
    found = []
    for place in places:
        free, number = place, 2
        while free in taken:
            free = place.with_stem(f"{place.stem}-{number}")
            number += 1
        taken.add(free)
        found.append(free)
    return found
