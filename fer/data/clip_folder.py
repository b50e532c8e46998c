"""The source ``clips``: anyone's clips, a folder of frames each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fer.core.clips import pad_clips
from fer.core.metadata import Columns
from fer.data._class_folders import split_folders
from fer.data._clip_files import (
    LAYOUT,
    ClipFile,
    by_split,
    clips_in_folders,
    clips_in_table,
    files_of,
    folder_classes,
    no_frames,
)
from fer.data._label_table import read_label_table
from fer.data._pictures import PictureFile, said_of
from fer.data.issues import LISTED, Finding
from fer.data.picture_source import PictureSource
from fer.data.source import DataError, DataNotFoundError, Faces, Split
from fer.ranges import FrameCount


class ClipFolder(PictureSource):
    """Clips in ``train|val|test/<class>/<clip>/*``, or in folders that a table names.

    A clip is a folder with a picture a frame, sorted by name with numbers counted as such
    (``frame2`` before ``frame10``): any size, any number of frames, grey or colour. Classes, and
    what is done where ``val`` or ``test`` is missing, are as in
    :class:`~fer.data.folder.ImageFolder`. A clip's row is its position among all clips sorted by
    path.

    The first load reads the frames into the cache, scaled; later ones need no picture any more.

    Args:
        root: the folder. None: that of the table.
        labels: a table with the columns ``path`` (of a clip's folder, below the root), ``label``
            and ``split`` (train, val or test), in place of folders of classes.
        frames: the most frames of a clip: of longer ones so many are taken, evenly spaced.
        options: see :class:`~fer.data.picture_source.PictureSource`.

    Raises:
        ValueError: an argument is out of range.
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
        """Return the class names, by looking at the folders or the table alone.

        Raises:
            DataNotFoundError: the root is not given or not there, or has no folder ``train``.
            DataError: the folders or the table are not those of one set of classes.
        """
        if self.labels is not None:
            return read_label_table(self.labels).classes
        return folder_classes(self._find())

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
            OSError: a file cannot be read.
        """
        root = self._find()
        others: dict[str, list[str]] = {}
        classes, clips, table_hash = self._listed(root, others)
        self._check_empty(root, clips)
        files = files_of(clips)
        entry = self.read(root, files, lambda: files_of(self._listed(root)[1]))
        places = _places(clips, entry.arrays["kept"])
        found = {
            split: [i for i in some if len(places[i])] for split, some in by_split(clips).items()
        }
        splits = {
            split: _split(clips, some, [entry.arrays["images"][places[i]] for i in some])
            for split, some in self._clip_members(clips, found).items()
        }
        fingerprint = (
            f"{entry.info['sha256']} {table_hash} {self.size} {self.fit} {self.frames} "
            f"{[(clip.name, clip.split, clip.label) for clip in clips]}"
        )
        return Faces(
            classes,
            splits,
            fingerprint=hashlib.sha256(fingerprint.encode()).hexdigest(),
            origin=str(root),
            findings=tuple(_findings(clips, files, places, entry.info["defects"])),
            names=[clip.name for clip in clips],
            notes=said_of(root, others),
        )

    def _find(self) -> Path:
        if self.labels is not None:
            root = self.root or self.labels.parent
            if not root.is_dir():
                raise DataNotFoundError(
                    f"{root} does not exist; data.root names the folder that the paths in "
                    f"{self.labels} begin at"
                )
            return root
        if self.root is None:
            raise DataNotFoundError(
                f"data=clips needs data.root=FOLDER, which holds {LAYOUT}; or data.labels=FILE.csv "
                "with the columns path, label and split"
            )
        if "train" not in split_folders(self.root):
            there = "has no folder 'train'" if self.root.exists() else "does not exist"
            raise DataNotFoundError(
                f"{self.root} {there}; data.root names the folder that holds {LAYOUT}, or "
                "data.labels=FILE.csv says where clips lie"
            )
        return self.root

    def _listed(
        self, root: Path, others: dict[str, list[str]] | None = None
    ) -> tuple[tuple[str, ...], list[ClipFile], str]:
        """Return the classes, the clips, and a hash of the table, if there is one."""
        if self.labels is None:
            return folder_classes(root), clips_in_folders(root, self.frames, others), ""
        table = read_label_table(self.labels)
        return table.classes, clips_in_table(root, table, self.frames, others), table.sha256

    def _check_empty(self, root: Path, clips: Sequence[ClipFile]) -> None:
        empty = list(no_frames(clips))
        if empty and (not self._drop or len(empty) == len(clips)):
            lines = [f"{root}: {len(empty):,} of {len(clips):,} clips have no frames:"]
            lines += [f"  {clips[i].name}: {problem}" for i, problem in empty[:LISTED]]
            if len(empty) > LISTED:
                lines.append(f"  ... and {len(empty) - LISTED:,} more")
            lines.append(
                "What to do: frames lie directly in the folder of their clip; remove empty "
                "folders, or leave them out with data.clean.defects=drop."
            )
            raise DataError("\n".join(lines))

    def _clip_members(
        self, clips: Sequence[ClipFile], found: Mapping[str, list[int]]
    ) -> dict[str, list[int]]:
        """Return the clips of each split, with a validation split where there was none."""
        members = {split: some for split, some in found.items() if some}
        if "val" in by_split(clips) or "train" not in members:
            return members
        train = np.array(members["train"])
        labels = np.array([clips[i].label for i in train], dtype=np.int64)
        chosen = self.draw_val(labels, "clips")
        rest = {split: some for split, some in members.items() if split != "train"}
        return {"train": train[~chosen].tolist(), "val": train[chosen].tolist(), **rest}


def _places(clips: Sequence[ClipFile], kept: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Return where the frames of each clip lie among those that could be read."""
    ends = np.cumsum([len(clip.frames) for clip in clips])
    bounds = np.searchsorted(kept, np.concatenate([[0], ends]))
    return [np.arange(a, b) for a, b in pairwise(bounds)]


def _split(
    clips: Sequence[ClipFile], some: Sequence[int], frames: Sequence[npt.NDArray[np.uint8]]
) -> Split:
    images, lengths = pad_clips(frames)
    labels = np.array([clips[i].label for i in some], dtype=np.int64)
    return Split(images, labels, np.array(some, dtype=np.int64), lengths=lengths)


def _findings(
    clips: Sequence[ClipFile],
    files: Sequence[PictureFile],
    places: Sequence[npt.NDArray[np.int64]],
    defects: Sequence[tuple[int, str]],
) -> list[Finding]:
    """Return what was found wrong with each clip, and whether it stays."""
    owner = np.repeat(np.arange(len(clips)), [len(clip.frames) for clip in clips])
    problems = dict(no_frames(clips))
    for place, what in defects:
        clip = int(owner[place])
        more = f"{problems[clip]}; " if clip in problems else ""
        problems[clip] = f"{more}{files[place].name.rpartition('/')[2]}: {what}"
    return [
        Finding(
            i,
            clips[i].split,
            "defect",
            "kept" if len(places[i]) else "dropped",
            None,
            f"{clips[i].name}: {what}",
        )
        for i, what in sorted(problems.items())
    ]
