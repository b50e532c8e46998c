"""Where clips lie: a folder of frames each, labelled by the folders around it or by a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fer.core.clips import subsample
from fer.data._class_folders import read_layout
from fer.data._label_table import LabelTable
from fer.data._pictures import PictureFile, folders_in, pictures_in
from fer.data.source import SPLITS, DataError
from fer.pictures import SUFFIXES

#: How clips lie in folders of classes.
LAYOUT: Final = "train|val|test/<class>/<clip>/ with the frames of a clip"
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A clip that is there, not read yet.

    Attributes:
        name: the path of its folder below the root, with ``/`` on every system.
        split: one of :data:`fer.data.source.SPLITS`.
        label: position of its class.
        frames: its pictures in order, those that are to be read; empty where there is none.
    """

    name: str
    split: str
    label: int
    frames: tuple[PictureFile, ...]


def folder_classes(root: Path) -> tuple[str, ...]:
    """Return the class names of clips in folders of classes.

    Raises:
        DataError: the folders are not those of one set of classes.
    """
    return read_layout(root, LAYOUT).classes


def clips_in_folders(
    root: Path, most: int, others: dict[str, list[str]] | None = None
) -> list[ClipFile]:
    """Return the clips that lie in folders of classes, sorted by name.

    Args:
        root: the folder with ``train``.
        most: frames of a clip; of longer ones evenly spaced ones are taken.
        others: gets what else lies among the frames, by kind.

    Raises:
        DataError: the folders are not those of clips of one set of classes.
        OSError: a folder cannot be read.
    """
    layout = read_layout(root, LAYOUT)
    found = []
    for split, folders in layout.folders.items():
        for folder, name in folders.items():
            below = f"{layout.roots[split]}/{folder}"
            clips = folders_in(root / below)
            if loose := pictures_in(root, below, deep=False):
                raise DataError(
                    f"{root / below} holds pictures ({loose[0].name}): of clips "
                    f"each has a folder of its frames, {LAYOUT}; data=folder reads single pictures"
                )
            if split == "train" and not clips:
                raise DataError(f"{root / below} holds no clips; the layout is {LAYOUT}")
            label = layout.classes.index(name)
            for clip in clips:
                frames = _frames(root, f"{below}/{clip}", most, others)
                found.append(ClipFile(f"{below}/{clip}", split, label, frames))
    return sorted(found, key=lambda clip: clip.name)


def clips_in_table(
    root: Path, table: LabelTable, most: int, others: dict[str, list[str]] | None = None
) -> list[ClipFile]:
    """Return the clips that a table names, sorted by name.

    Raises:
        DataError: folders are not there.
        OSError: a folder cannot be read.
    """
    missing = [path for path in table.paths if not (root / path).is_dir()]
    if missing:
        more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"data.labels names {len(missing):,} folder{'s' * (len(missing) > 1)} that "
            f"{root} does not have: {', '.join(missing[:_SHOWN])}{more}"
        )
    found = [
        ClipFile(path, SPLITS[split], int(label), _frames(root, path, most, others))
        for path, split, label in zip(table.paths, table.splits, table.labels, strict=True)
    ]
    return sorted(found, key=lambda clip: clip.name)


def _frames(
    root: Path, name: str, most: int, others: dict[str, list[str]] | None
) -> tuple[PictureFile, ...]:
    """Return the frames of a clip in order: by name, the numbers in it counted as such."""
    found = sorted(
        pictures_in(root, name, deep=False, others=others), key=lambda file: _order(file.name)
    )
    return tuple(found[i] for i in subsample(len(found), most)) if found else ()


def _order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return what sorts frame2 before frame10.

    Example:
        >>> sorted(["f10.png", "f2.png", "f1.png"], key=_order)
        ['f1.png', 'f2.png', 'f10.png']
    """
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def no_frames(clips: Sequence[ClipFile]) -> Iterator[tuple[int, str]]:
    """Yield the position of each clip without a frame, and what is wrong with it."""
    for place, clip in enumerate(clips):
        if not clip.frames:
            yield place, f"no frames ({', '.join(SUFFIXES[:3])}, …)"


def files_of(clips: Sequence[ClipFile]) -> list[PictureFile]:
    """Return the frames of all clips, one clip after the other."""
    return [file for clip in clips for file in clip.frames]


def by_split(clips: Sequence[ClipFile]) -> Mapping[str, list[int]]:
    """Return the positions of the clips of each split, in the order of splits."""
    found = {split: [i for i, clip in enumerate(clips) if clip.split == split] for split in SPLITS}
    return {split: some for split, some in found.items() if some}
