"""The source ``clips``: anyone's clips, a folder of frames each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.core.clips import pad_clips, subsample
from fer.core.metadata import Columns
from fer.core.ranges import FrameCount
from fer.data.issues import LISTED, DataError, DataNotFoundError, Finding
from fer.data.source import SPLITS, Faces, Split
from fer.data.sources.folder import read_layout, with_train
from fer.data.sources.pictures import (
    PictureFiles,
    PictureSource,
    folders_in,
    note_left_out,
    pictures_in,
)
from fer.data.sources.table import check_all_there, read_label_table
from fer.pictures import SUFFIXES

#: How clips lie in folders of classes.
LAYOUT: Final = "train|val|test/<class>/<clip>/ with the frames of a clip"
_NO_FRAMES: Final = f"no frames ({', '.join(SUFFIXES[:3])}, …)"

Others = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A clip that is there, not read yet.

    Attributes:
        name: the path of its folder below the root, with ``/`` on every system.
        frames: its pictures in order, those that are to be read; empty where there is none.
    """

    name: str
    split: str
    label: int
    frames: PictureFiles


class ClipFolder(PictureSource):
    """Clips in ``train|val|test/<class>/<clip>/*``, or in folders that a table names.

    A clip is a folder with a picture a frame, sorted by name with numbers counted as such
    (``frame2`` before ``frame10``): any size, any number of frames, grey or colour. Classes, and
    what is done where ``val`` or ``test`` is missing, are as in
    :class:`~fer.data.sources.folder.ImageFolder`. A clip's row is its position among all clips
    sorted by path.

    The first load reads the frames into the cache, scaled; later ones need no picture any more.

    Args:
        root: the folder. None: that of the table.
        labels: a table with the columns ``path`` (of a clip's folder, below the root), ``label``
            and ``split`` (train, val or test), in place of folders of classes.
        frames: the most frames of a clip: of longer ones so many are taken, evenly spaced.
        options: see :class:`~fer.data.sources.pictures.PictureSource`.
    """

    def __init__(
        self,
        root: str | None,
        *,
        labels: str | None = None,
        frames: FrameCount = 32,
        **options: Any,
    ) -> None:
        super().__init__(root, **options)
        if frames < 1:
            raise ValueError(f"frames must be at least 1, not {frames}")
        self.labels = Path(labels).expanduser() if labels else None
        self.frames = frames

    def class_names(self) -> tuple[str, ...]:
        """Return the class names, by looking at the folders or the table alone."""
        if self.labels is not None:
            return read_label_table(self.labels).classes
        return read_layout(self._find(), LAYOUT).classes

    def metadata_columns(self) -> Columns:
        """Return nothing: networks of clips read nothing beside them."""
        return {}

    def load(self) -> Faces:
        """Return the clips: images are uint8 ``[N, T, size, size]``, see :class:`Split`.

        Raises:
            DataNotFoundError: the root is not given or not there, or has no folder ``train``.
            DataError: folders or table are not those of one set of classes, frames are broken or
                clips empty and not to be left out, or there is no validation split and none is to
                be made.
            CacheError: the cache folder cannot be written.
        """
        root = self._find()
        others: Others = {}
        classes, clips, table_hash = self._listed(root, others)
        self._check_empty(root, clips)
        files = _frames_of(clips)
        entry = self.read(root, files, lambda: _frames_of(self._listed(root, {})[1]))
        ends = np.cumsum([len(clip.frames) for clip in clips])
        bounds = np.searchsorted(entry.arrays["kept"], np.concatenate([[0], ends]))
        places = [np.arange(start, end) for start, end in pairwise(bounds)]
        splits = {}
        for split, chosen in self._members(clips, places).items():
            images, lengths = pad_clips([entry.arrays["images"][places[i]] for i in chosen])
            labels = np.array([clips[i].label for i in chosen], dtype=np.int64)
            rows = np.array(chosen, dtype=np.int64)
            splits[split] = Split(images, labels, rows, lengths=lengths)
        fingerprint = (
            f"{entry.info['sha256']} {table_hash} {self.size} {self.fit} {self.frames} "
            f"{[(clip.name, clip.split, clip.label) for clip in clips]}"
        )
        return Faces(
            classes,
            splits,
            fingerprint=hashlib.sha256(fingerprint.encode()).hexdigest(),
            origin=str(root),
            findings=tuple(_findings(clips, files.names, places, entry.info["defects"])),
            names=[clip.name for clip in clips],
            notes=note_left_out(root, others),
        )

    def _find(self) -> Path:
        if self.labels is not None:
            root = self.root or self.labels.parent
            if not root.is_dir():
                raise DataNotFoundError(
                    f"{root} does not exist; data.root names the folder that the paths in "
                    f"{self.labels} begin at",
                    code="data_not_found",
                    where=str(root),
                )
            return root
        if self.root is None:
            raise DataNotFoundError(
                f"data=clips needs data.root=FOLDER, which holds {LAYOUT}; or data.labels=FILE.csv "
                "with the columns path, label and split",
                code="no_root",
                where="data.root",
            )
        return with_train(
            self.root,
            f"data.root names the folder that holds {LAYOUT}, or data.labels=FILE.csv says where "
            "clips lie",
        )

    def _listed(self, root: Path, others: Others) -> tuple[tuple[str, ...], list[ClipFile], str]:
        """Return the classes, the clips sorted by name, and a hash of the table, if any."""
        clips: list[ClipFile] = []
        if self.labels is None:
            layout = read_layout(root, LAYOUT)
            for split, folders in layout.folders.items():
                for folder, name in folders.items():
                    below = f"{layout.roots[split]}/{folder}"
                    label = layout.classes.index(name)
                    clips += [
                        ClipFile(path, split, label, self._frames(root, path, others))
                        for path in _clips_in(root, below, split)
                    ]
            return layout.classes, sorted(clips, key=lambda clip: clip.name), ""
        table = read_label_table(self.labels)
        missing = [path for path in table.paths if not (root / path).is_dir()]
        check_all_there(self.labels, root, table, missing)
        clips = [
            ClipFile(path, SPLITS[split], int(label), self._frames(root, path, others))
            for path, split, label in zip(table.paths, table.splits, table.labels, strict=True)
        ]
        return table.classes, sorted(clips, key=lambda clip: clip.name), table.sha256

    def _frames(self, root: Path, name: str, others: Others) -> PictureFiles:
        """Return the frames of a clip in order: by name, the numbers in it counted as such."""
        found = pictures_in(root, name, deep=False, others=others).sorted(_order)
        return found.take(subsample(len(found), self.frames)) if len(found) else found

    def _check_empty(self, root: Path, clips: Sequence[ClipFile]) -> None:
        empty = [clip.name for clip in clips if not len(clip.frames)]
        if empty and (not self.drops_defects or len(empty) == len(clips)):
            lines = [f"{root}: {len(empty):,} of {len(clips):,} clips have no frames:"]
            lines += [f"  {name}: {_NO_FRAMES}" for name in empty[:LISTED]]
            if len(empty) > LISTED:
                lines.append(f"  ... and {len(empty) - LISTED:,} more")
            lines.append(
                "What to do: frames lie directly in the folder of their clip; remove empty "
                "folders, or leave them out with data.clean.defects=drop."
            )
            raise DataError("\n".join(lines), code="empty_clips", where=f"{root}/{empty[0]}")

    def _members(
        self, clips: Sequence[ClipFile], places: Sequence[npt.NDArray[np.int64]]
    ) -> dict[str, list[int]]:
        """Return the clips of each split, with a validation split where there was none."""
        found = {
            split: [i for i, c in enumerate(clips) if c.split == split and len(places[i])]
            for split in SPLITS
        }
        if found["train"] and not any(clip.split == "val" for clip in clips):
            train = np.array(found["train"])
            labels = np.array([clips[i].label for i in train], dtype=np.int64)
            chosen = self.draw_val(labels, "clips")
            found |= {"train": train[~chosen].tolist(), "val": train[chosen].tolist()}
        return {split: members for split, members in found.items() if members}


def _clips_in(root: Path, below: str, split: str) -> list[str]:
    """Return the folders of clips in the folder of a class."""
    clips = folders_in(root / below)
    loose = pictures_in(root, below, deep=False)
    if len(loose):
        raise DataError(
            f"{root / below} holds pictures ({loose.names[0]}): of clips "
            f"each has a folder of its frames, {LAYOUT}; data=folder reads single pictures",
            code="not_clips",
            where=loose.names[0],
        )
    if split == "train" and not clips:
        raise DataError(
            f"{root / below} holds no clips; the layout is {LAYOUT}",
            code="empty_class",
            where=f"{root}/{below}",
        )
    return [f"{below}/{clip}" for clip in clips]


def _order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return what sorts frame2 before frame10.

    Example:
        >>> sorted(["f10.png", "f2.png", "f1.png"], key=_order)
        ['f1.png', 'f2.png', 'f10.png']
    """
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def _frames_of(clips: Sequence[ClipFile]) -> PictureFiles:
    files = PictureFiles()
    for clip in clips:
        files.names += clip.frames.names
        files.sizes += clip.frames.sizes
        files.times += clip.frames.times
    return files


def _findings(
    clips: Sequence[ClipFile],
    files: Sequence[str],
    places: Sequence[npt.NDArray[np.int64]],
    defects: Sequence[tuple[int, str]],
) -> list[Finding]:
    """Return what was found wrong with each clip, and whether it stays."""
    owner = np.repeat(np.arange(len(clips)), [len(clip.frames) for clip in clips])
    problems: Mapping[int, list[str]] = {
        i: [] if len(clip.frames) else [_NO_FRAMES] for i, clip in enumerate(clips)
    }
    for place, what in defects:
        problems[int(owner[place])].append(f"{files[place].rpartition('/')[2]}: {what}")
    return [
        Finding(
            i, clips[i].split, "defect", "kept" if len(places[i]) else "dropped", None,
            f"{clips[i].name}: {'; '.join(listed)}",
        )
        for i, listed in problems.items()
        if listed
    ]  # fmt: skip
