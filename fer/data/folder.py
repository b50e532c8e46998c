"""The source ``folder``: anyone's pictures, a folder a class."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fer.data._class_folders import Layout, read_layout, split_folders, split_of
from fer.data._drawing import stratified
from fer.data._metadata import METADATA_FILE, read_metadata
from fer.data._pictures import PictureFile, folders_in, pictures_in, read_pictures, said_of
from fer.data.cache import Cache, Entry, default_folder, folder_key
from fer.data.findings import Finding
from fer.data.source import SPLITS, DataError, DataNotFoundError, Faces, Split
from fer.metadata import Columns, describe
from fer.picture_folders import list_pictures
from fer.pictures import SUFFIXES
from fer.pixels import FITS, Fit, square_grey

_LOG: Final = logging.getLogger(__name__)
_VERSION: Final = 2  # raise it when the same files would be read as something else
LAYOUT: Final = "train/<class>/*, val/<class>/* and test/<class>/*"


class ImageFolder:
    """Pictures in ``train|val|test/<class>/``: any size, any number of classes, grey or colour.

    They may lie in folders below that of their class. Folders of splits may be called ``training``,
    ``valid``, ``validation`` and ``testing`` too, in any case. Files that are no pictures by their
    name are left out; the :attr:`~fer.data.source.Faces.notes` count them by kind.

    The classes are the sorted names of the folders in ``train``. Where these are the seven
    emotions, or synonyms of them (:func:`fer.labels.canonical`), the classes are the emotions in
    the project's order. ``test`` may be missing. Where ``val`` is missing, a part of ``train`` is
    taken in its place, of each class the same share. A picture's row is its position among all
    files sorted by path.

    ``metadata.csv`` in the root, if there is one, brings more about each picture: a column
    ``path`` (below the root) and any others, such as age, gender and context. See
    :func:`fer.data._metadata.read_metadata`.

    The first load reads the pictures into the cache, scaled; later ones map it into memory.

    Args:
        root: the folder.
        size: height and width that pictures are scaled to, in pixels.
        fit: how pictures that are not square become so, see :func:`fer.pixels.square_grey`.
        val_share: of the training pictures of each class, taken for validation where there is no
            folder ``val``.
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
        size: int = 48,
        fit: Fit = "pad",
        val_share: float = 0.1,
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
        self._cache = Cache(Path(cache).expanduser() if cache else default_folder())
        self._drop = defects == "drop"

    def class_names(self) -> tuple[str, ...]:
        """Return the class names, by looking at the folders alone.

        Raises:
            DataNotFoundError: the root is not given or not there, or has no folder ``train``.
            DataError: the folders are not those of one set of classes.
        """
        return read_layout(self._find(), LAYOUT).classes

    def metadata_columns(self) -> Columns:
        """Return the description of the training pictures' metadata; nothing without a table.

        Raises:
            DataError: the folders or the table are not as they should be.
            OSError: the table cannot be read.
        """
        root = self._find()
        names = [file.name for file in list_files(root, read_layout(root, LAYOUT))[0]]
        metadata, _ = read_metadata(root / METADATA_FILE, names)
        train = np.array([split_of(name) == "train" for name in names])
        return describe({column: values[train] for column, values in metadata.items()})

    def load(self) -> Faces:
        """Return the faces: uint8 ``[N, size, size]`` images.

        Raises:
            DataNotFoundError: the root is not given or not there, or has no folder ``train``.
            DataError: the folders are not those of one set of classes, a class has no pictures,
                pictures are broken and not to be left out, or there is no validation split and
                none is to be made.
            CacheError: the cache folder cannot be written.
            OSError: a file cannot be read.
        """
        root = self._find()
        layout = read_layout(root, LAYOUT)
        files, others = list_files(root, layout)
        kind = "folder-sound" if self._drop else "folder"
        key = folder_key(root, files, kind, _VERSION, self.size, self.fit)

        def build() -> Entry:
            entry = self._read(root, files)
            if list_files(root, layout)[0] != files:
                raise DataError(f"{root}: files changed while they were read; load them again")
            return entry

        entry = self._cache.get(key, build)
        names = [file.name for file in files]
        metadata, metadata_hash = read_metadata(root / METADATA_FILE, names)
        kept: npt.NDArray[np.int64] = np.array(entry.arrays["kept"])
        members = self._members(root, layout, names, kept)
        splits = {
            split: Split(
                _rows_of(entry.arrays["images"], chosen),
                layout.labels(names, kept[chosen]),
                kept[chosen],
                {column: values[kept[chosen]] for column, values in metadata.items()},
            )
            for split, chosen in members.items()
        }
        fingerprint = f"{entry.info['sha256']} {metadata_hash} {self.size} {self.fit}"
        if "val" not in layout.folders:
            fingerprint += f" {self.val_share} {self.seed}"
        return Faces(
            layout.classes,
            splits,
            fingerprint=hashlib.sha256(fingerprint.encode()).hexdigest(),
            origin=str(root),
            findings=tuple(
                Finding(row, split_of(names[row]), "defect", "dropped", None, f"{name}: {what}")
                for row, what in entry.info["defects"]
                for name in [names[row]]
            ),
            names=names,
            notes=said_of(root, others),
        )

    def _find(self) -> Path:
        if self.root is None:
            raise DataNotFoundError(
                f"data=folder needs data.root=FOLDER, the folder that holds {LAYOUT}"
            )
        if "train" not in split_folders(self.root):
            there = "has no folder 'train'" if self.root.exists() else "does not exist"
            raise DataNotFoundError(
                f"{self.root} {there}; data.root names the folder that holds {LAYOUT}"
            )
        return self.root

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
        self, root: Path, layout: Layout, names: Sequence[str], kept: npt.NDArray[np.int64]
    ) -> dict[str, npt.NDArray[np.int64]]:
        """Return the positions in ``kept`` of each split's pictures, in the order of splits."""
        folders = np.array([split_of(names[i]) for i in kept])
        members = {name: np.flatnonzero(folders == name) for name in SPLITS}
        if "val" not in layout.folders:
            if self.val_share == 0:
                raise DataError(
                    f"{root} has no folder 'val': make one, or take a part of train/ in its place "
                    "by data.val_share=0.1"
                )
            train = members["train"]
            labels = layout.labels(names, kept[train])
            chosen = stratified(labels, self.val_share, self.seed)
            members |= {"train": train[~chosen], "val": train[chosen]}
            _LOG.warning(
                "%s has no folder 'val': %d of its %d training pictures are the validation split, "
                "drawn class by class (data.val_share=%g, seed %d)",
                root, chosen.sum(), len(train), self.val_share, self.seed,
            )  # fmt: skip
        return {name: chosen for name, chosen in members.items() if len(chosen)}


def list_files(root: Path, layout: Layout) -> tuple[list[PictureFile], dict[str, list[str]]]:
    """Return the pictures of all splits and classes, sorted by path, and what else there is.

    Raises:
        DataError: a class has no training pictures, or a name is no text.
    """
    files, others = list[PictureFile](), dict[str, list[str]]()
    if strange := [name for name in folders_in(root) if name not in layout.roots.values()]:
        others["folder of no split"] = strange
    for split, folders in layout.folders.items():
        name = layout.roots[split]
        if loose := list_pictures(root / name, deep=False).pictures:
            others["picture in no class"] = [f"{name}/{path}" for path in loose]
        for folder in folders:
            found = pictures_in(root, name, folder, others=others)
            if split == "train" and not found:
                raise DataError(
                    f"{root / name / folder} holds no pictures ({', '.join(SUFFIXES)}); they lie "
                    "in the folder of their class"
                )
            files += found
    return sorted(files, key=lambda file: file.name), others


def _rows_of(images: npt.NDArray[np.uint8], chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return some images; as a view of the memory map where they lie side by side."""
    if len(chosen) and chosen[-1] - chosen[0] == len(chosen) - 1:
        return images[chosen[0] : chosen[-1] + 1]
    return images[chosen]
