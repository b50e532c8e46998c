"""The picture files in a folder and its subfolders, and the other files there."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fer.pictures import SUFFIXES, shown


@dataclass(frozen=True, slots=True)
class Listing:
    """The files in a folder and its subfolders.

    Attributes:
        pictures: paths relative to the folder, with ``/`` on every system; sorted, the files of a
            folder before those of its subfolders.
        others: the other paths by kind: a suffix, ``hidden`` or the like.
    """

    pictures: list[str] = field(default_factory=list)
    others: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def list_pictures(folder: Path, *, leave: Path | None = None, deep: bool = True) -> Listing:
    """Return the pictures in a folder and (``deep``) its subfolders, except ``leave``.

    Links to folders are followed, but each folder is read once, so that links may go in circles.
    Hidden files and folders are left out.
    """
    listing = Listing()
    seen = set() if leave is None else {os.path.realpath(leave)}
    _list_into(listing, folder, "", seen, deep=deep)
    return listing


def _list_into(listing: Listing, root: Path, below: str, seen: set[str], *, deep: bool) -> None:
    seen.add(os.path.realpath(root / below))
    with os.scandir(root / below) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    folders = []
    for entry in entries:
        path = below + entry.name
        if entry.name.startswith("."):
            listing.others["hidden"].append(path)
        elif is_folder(entry):
            folders.append(path)
        elif entry.name.lower().endswith(SUFFIXES):
            listing.pictures.append(path)
        else:
            listing.others[Path(path).suffix.lower() or "without a suffix"].append(path)
    for path in folders:
        if not deep:
            listing.others["folder"].append(path)
        elif os.path.realpath(root / path) not in seen:
            _list_into(listing, root, f"{path}/", seen, deep=deep)
        elif (root / path).is_symlink():
            listing.others["link to a folder that is read already"].append(path)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return True for a folder or a link to one, False for a broken link."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def left_out(others: Mapping[str, Sequence[str]]) -> str:
    """Describe ``others`` of a :class:`Listing`: how many files of each kind, and the first.

    Example:
        >>> left_out({".heic": ["a.heic", "b.heic"], ".txt": ["c.txt"]})
        '3 files are no pictures that can be read: 2 .heic (a.heic, …), 1 .txt (c.txt)'
    """
    count = sum(map(len, others.values()))
    kinds = ", ".join(
        f"{len(some):,} {kind} ({shown(some[0])}{', …' * (len(some) > 1)})"
        for kind, some in sorted(others.items(), key=lambda pair: -len(pair[1]))
    )
    what = "files are no pictures" if count > 1 else "file is no picture"
    return f"{count:,} {what} that can be read: {kinds}"
