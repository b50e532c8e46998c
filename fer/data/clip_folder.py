"""The source ``clips``: anyone's clips, a folder of frames each."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fer.clips import stacked
from fer.data._class_folders import split_folders
from fer.data._clip_files import (
    LAYOUT,
    ClipFile,
    by_split,
    clips_in_folders,
    files_of,
    folder_classes,
    no_frames,
    read_clip_table,
)
from fer.data._drawing import stratified
from fer.data._pictures import PictureFile, read_pictures, said_of
from fer.data.cache import Cache, Entry, folder_key, folder_of
from fer.data.defects import LISTED
from fer.data.findings import Finding
from fer.data.source import DataError, DataNotFoundError, Faces, Split
from fer.metadata import Columns
from fer.pixels import FITS, Fit, square_grey

_LOG: Final = logging.getLogger(__name__)
_VERSION: Final = 2  # raise it when the same files would be read as something else


class ClipFolder:
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
        size: height and width that frames are scaled to, in pixels.
        fit: how frames that are not square become so, see :func:`fer.pixels.square_grey`.
        val_share: of the training clips of each class, taken for validation where there is none.
        seed: of that draw.
        cache: the folder for the scaled copies; by default ``$FER_CACHE`` or the user's cache
            folder.
        defects: frames that cannot be read and clips without a frame: ``fatal`` refuses the whole,
            with a list of them; ``drop`` leaves them out and reports them.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        root: str | None,
        *,
        labels: str | None = None,
        frames: int = 32,
        size: int = 48,
        fit: Fit = "pad",
        val_share: float = 0.1,
        seed: int = 0,
        cache: str | None = None,
        defects: Literal["fatal", "drop"] = "fatal",
    ) -> None:
        if frames < 1 or size < 1 or fit not in FITS or not 0 <= val_share < 1 or seed < 0:
            raise ValueError(
                f"frames and size must be at least 1, fit one of {', '.join(FITS)}, val_share at "
                f"least 0 and below 1, seed at least 0: got {frames}, {size}, {fit!r}, "
                f"{val_share}, {seed}"
            )
        if defects not in ("fatal", "drop"):
            raise ValueError(f"defects must be fatal or drop, not {defects!r}")
        self.root = Path(root).expanduser() if root else None
        self.labels = Path(labels).expanduser() if labels else None
        self.frames = frames
        self.size = size
        self.fit: Fit = fit
        self.val_share = val_share
        self.seed = seed
        self._cache = Cache(folder_of(cache))
        self._drop = defects == "drop"

    def class_names(self) -> tuple[str, ...]:
        """Return the class names, by looking at the folders or the table alone.

        Raises:
            DataNotFoundError: the root is not given or not there, or has no folder ``train``.
            DataError: the folders or the table are not those of one set of classes.
        """
        if self.labels is not None:
            return read_clip_table(self.labels).classes
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
        kind = "clips-sound" if self._drop else "clips"
        key = folder_key(root, files, kind, _VERSION, self.size, self.fit)

        def build() -> Entry:
            entry = self._read(root, files)
            if files_of(self._listed(root)[1]) != files:
                raise DataError(f"{root}: files changed while they were read; load them again")
            return entry

        entry = self._cache.get(key, build)
        places = _places(clips, entry.arrays["kept"])
        found = {
            split: [i for i in some if len(places[i])] for split, some in by_split(clips).items()
        }
        splits = {
            split: _split(clips, some, [entry.arrays["images"][places[i]] for i in some])
            for split, some in self._members(root, clips, found).items()
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
        table = read_clip_table(self.labels)
        return table.classes, table.clips(root, self.frames, others), table.sha256

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

    def _read(self, root: Path, files: Sequence[PictureFile]) -> Entry:
        _LOG.info("reading %s, once: later loads read the cached copy", root)
        pictures = read_pictures(
            root,
            files,
            self.size,
            lambda image: square_grey(image, self.size, self.fit),
            drop_defects=self._drop,
        )
        return Entry(
            arrays={"images": pictures.images, "kept": pictures.kept},
            info={"sha256": pictures.sha256, "defects": [list(one) for one in pictures.broken]},
        )

    def _members(
        self, root: Path, clips: Sequence[ClipFile], found: Mapping[str, list[int]]
    ) -> dict[str, list[int]]:
        """Return the clips of each split, with a validation split where there was none."""
        members = {split: some for split, some in found.items() if some}
        if "val" in by_split(clips) or "train" not in members:
            return members
        if self.val_share == 0:
            raise DataError(
                f"{root} has no clips in 'val': name some, or take a part of train in its place by "
                "data.val_share=0.1"
            )
        train = np.array(members["train"])
        labels = np.array([clips[i].label for i in train], dtype=np.int64)
        chosen = stratified(labels, self.val_share, self.seed)
        _LOG.warning(
            "%s has no clips in 'val': %d of its %d training clips are the validation split, drawn "
            "class by class (data.val_share=%g, seed %d)",
            root, chosen.sum(), len(train), self.val_share, self.seed,
        )  # fmt: skip
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
    images, lengths = stacked(frames)
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
