"""What the sources of anyone's pictures share: read once into the cache, then divided."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fer.core.metadata import Columns, describe
from fer.data._drawing import stratified
from fer.data._pictures import PictureFile, read_pictures
from fer.data.cache import Cache, Entry, folder_key, folder_of
from fer.data.disk_images import rows_of
from fer.data.issues import Finding
from fer.data.source import SPLITS, DataError, Faces, Split
from fer.pixels import FITS, Fit, square_grey
from fer.ranges import PictureSide, ShareBelowOne

_LOG: Final = logging.getLogger(__name__)
_VERSION: Final = 3  # raise it when the same files would be read as something else


@dataclass(frozen=True, slots=True)
class Listing:
    """The pictures of a data set, none of which was read yet.

    Attributes:
        root: what their names are below.
        files: the pictures; a picture's row is its position here.
        classes: the class names.
        splits: int64 ``[N]``, positions in :data:`fer.data.source.SPLITS`.
        labels: int64 ``[N]``, positions in the classes.
        metadata: one array ``[N]`` a column.
        digest: of what the labels and the metadata were read from, beside the files.
        notes: what was left out, for people to read.
    """

    root: Path
    files: Sequence[PictureFile]
    classes: tuple[str, ...]
    splits: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    metadata: Mapping[str, npt.NDArray[np.generic]]
    digest: str
    notes: tuple[str, ...] = ()


class PictureSource:
    """Pictures in files: any size, any number of classes, grey or colour.

    The first load reads the pictures into the cache, scaled; later ones map it into memory, or read
    each batch from the disk where the set is large (:class:`fer.data.disk_images.DiskImages`).
    Where there is no validation split, a part of ``train`` is taken in its place, of each class the
    same share.

    Args:
        root: the folder or file that says which pictures there are.
        size: height and width that pictures are scaled to, in pixels.
        fit: how pictures that are not square become so, see :func:`fer.pixels.square_grey`.
        val_share: of the training pictures of each class, taken for validation where there is no
            such split.
        seed: of that draw.
        cache: the folder for the scaled copies; by default ``$FER_CACHE`` or the user's cache
            folder.
        defects: pictures that cannot be read: ``fatal`` refuses the whole, with a list of them;
            ``drop`` leaves them out and reports them.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        root: str | None,
        *,
        size: PictureSide = 48,
        fit: Fit = "pad",
        val_share: ShareBelowOne = 0.1,
        seed: int = 0,
        cache: str | None = None,
        defects: Literal["fatal", "drop"] = "fatal",
    ) -> None:
        if size < 1 or fit not in FITS or not 0 <= val_share < 1 or seed < 0:
            raise ValueError(
                f"size must be at least 1, fit one of {', '.join(FITS)}, val_share at least 0 and "
                f"below 1, seed at least 0: got {size}, {fit!r}, {val_share}, {seed}"
            )
        if defects not in ("fatal", "drop"):
            raise ValueError(f"defects must be fatal or drop, not {defects!r}")
        self.root = Path(root).expanduser() if root else None
        self.size = size
        self.fit: Fit = fit
        self.val_share = val_share
        self.seed = seed
        self._cache = Cache(folder_of(cache))
        self._drop = defects == "drop"

    def listing(self) -> Listing:
        """Return which pictures there are.

        Raises:
            DataNotFoundError: the root is not given or not there.
            DataError: what is there is no data set of this form.
            OSError: it cannot be read.
        """
        raise NotImplementedError

    def metadata_columns(self) -> Columns:
        """Return the description of the training pictures' metadata; nothing where there is none.

        Raises:
            DataError: the data set or its table is not as it should be.
            OSError: it cannot be read.
        """
        listing = self.listing()
        train = listing.splits == SPLITS.index("train")
        return describe({column: values[train] for column, values in listing.metadata.items()})

    def load(self) -> Faces:
        """Return the faces: uint8 ``[N, size, size]`` images.

        Raises:
            DataNotFoundError: the root is not given or not there.
            DataError: what is there is no data set of this form, pictures are broken and not to be
                left out, or there is no validation split and none is to be made.
            CacheError: the cache folder cannot be written.
            OSError: a file cannot be read.
        """
        listing = self.listing()
        entry = self.read(listing.root, listing.files, lambda: self.listing().files)
        kept: npt.NDArray[np.int64] = np.array(entry.arrays["kept"])
        members, drawn = self._members(listing, kept)
        splits = {
            split: Split(
                rows_of(entry.arrays["images"], chosen),
                listing.labels[kept[chosen]],
                kept[chosen],
                {column: values[kept[chosen]] for column, values in listing.metadata.items()},
            )
            for split, chosen in members.items()
        }
        fingerprint = f"{entry.info['sha256']} {listing.digest} {self.size} {self.fit}"
        if drawn:
            fingerprint += f" {self.val_share} {self.seed}"
        names = [file.name for file in listing.files]
        return Faces(
            listing.classes,
            splits,
            fingerprint=hashlib.sha256(fingerprint.encode()).hexdigest(),
            origin=str(self.root),
            findings=tuple(
                Finding(
                    row, SPLITS[listing.splits[row]], "defect", "dropped", None,
                    f"{names[row]}: {problem}",
                )
                for row, problem in entry.info["defects"]
            ),
            names=names,
            notes=listing.notes,
        )  # fmt: skip

    def read(
        self, root: Path, files: Sequence[PictureFile], again: Callable[[], Sequence[PictureFile]]
    ) -> Entry:
        """Return pictures as the cache keeps them: ``images``, and ``kept``, their positions.

        Args:
            root: what their names are below.
            files: the pictures.
            again: lists them once more when they were read.

        Raises:
            DataError: pictures are broken and not to be left out, or changed meanwhile.
            CacheError: the cache folder cannot be written.
            OSError: one cannot be read.
        """

        def build(folder: Path) -> Entry:
            _LOG.info("reading %s, once: later loads read the cached copy", root)
            pictures = read_pictures(
                root,
                files,
                self.size,
                lambda image: square_grey(image, self.size, self.fit),
                drop_defects=self._drop,
                to=folder / "images.npy",
            )
            if list(again()) != list(files):
                raise DataError(f"{root}: files changed while they were read; load them again")
            return Entry(
                arrays={"kept": pictures.kept},
                info={"sha256": pictures.sha256, "defects": [list(one) for one in pictures.broken]},
            )

        kind = "pictures-sound" if self._drop else "pictures"
        key = folder_key(root, files, kind, _VERSION, self.size, self.fit)
        return self._cache.get(key, build)

    def _members(
        self, listing: Listing, kept: npt.NDArray[np.int64]
    ) -> tuple[dict[str, npt.NDArray[np.int64]], bool]:
        """Return the positions in ``kept`` of each split, and whether val was drawn from train."""
        splits = listing.splits[kept]
        members = {name: np.flatnonzero(splits == code) for code, name in enumerate(SPLITS)}
        drawn = not (listing.splits == SPLITS.index("val")).any()
        if drawn:
            train = members["train"]
            chosen = self.draw_val(listing.labels[kept[train]], "pictures")
            members |= {"train": train[~chosen], "val": train[chosen]}
        return {name: chosen for name, chosen in members.items() if len(chosen)}, drawn

    def draw_val(self, labels: npt.NDArray[np.int64], things: str) -> npt.NDArray[np.bool_]:
        """Return which training items are the validation split, where there is none.

        Args:
            labels: int64 ``[N]`` of the training items.
            things: what they are called.

        Raises:
            DataError: none is to be drawn.
        """
        if self.val_share == 0:
            raise DataError(
                f"{self.root} has no {things} in the split 'val': add some, or take a part of "
                "train in its place by data.val_share=0.1"
            )
        chosen = stratified(labels, self.val_share, self.seed)
        _LOG.warning(
            "%s has no split 'val': %d of its %d training %s are the validation split, drawn class "
            "by class (data.val_share=%g, seed %d)",
            self.root, chosen.sum(), len(labels), things, self.val_share, self.seed,
        )  # fmt: skip
        return chosen
