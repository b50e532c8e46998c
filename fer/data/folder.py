"""The source ``folder``: anyone's pictures, a folder a class."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from fer.data._class_folders import Layout, read_layout, split_folders, split_of
from fer.data._metadata import METADATA_FILE, read_metadata
from fer.data._pictures import PictureFile, folders_in, pictures_in, said_of
from fer.data.picture_source import Listing, PictureSource
from fer.data.source import SPLITS, DataError, DataNotFoundError
from fer.picture_folders import list_pictures
from fer.pictures import SUFFIXES

LAYOUT: Final = "train/<class>/*, val/<class>/* and test/<class>/*"


class ImageFolder(PictureSource):
    """Pictures in ``train|val|test/<class>/``.

    They may lie in folders below that of their class. Folders of splits may be called ``training``,
    ``valid``, ``validation`` and ``testing`` too, in any case. Files that are no pictures by their
    name are left out; the :attr:`~fer.data.source.Faces.notes` count them by kind.

    The classes are the sorted names of the folders in ``train``. Where these are the seven
    emotions, or synonyms of them (:func:`fer.core.labels.canonical`), the classes are the emotions
    in the project's order. ``test`` may be missing. A picture's row is its position among all files
    sorted by path.

    ``metadata.csv`` in the root, if there is one, brings more about each picture: a column
    ``path`` (below the root) and any others, such as age, gender and context. See
    :func:`fer.data._metadata.read_metadata`.

    For the arguments see :class:`~fer.data.picture_source.PictureSource`.
    """

    def class_names(self) -> tuple[str, ...]:
        """Return the class names, by looking at the folders alone.

        Raises:
            DataNotFoundError: the root is not given or not there, or has no folder ``train``.
            DataError: the folders are not those of one set of classes.
        """
        return read_layout(self._find(), LAYOUT).classes

    def listing(self) -> Listing:
        """Return which pictures there are.

        Raises:
            DataNotFoundError: the root is not given or not there, or has no folder ``train``.
            DataError: the folders are not those of one set of classes, a class has no pictures, or
                the table of metadata is not as it should be.
            OSError: a folder or the table cannot be read.
        """
        root = self._find()
        layout = read_layout(root, LAYOUT)
        files, others = list_files(root, layout)
        names = [file.name for file in files]
        metadata, digest = read_metadata(root / METADATA_FILE, names)
        return Listing(
            root,
            files,
            layout.classes,
            np.array([SPLITS.index(split_of(name)) for name in names], dtype=np.int64),
            layout.labels(names),
            metadata,
            digest,
            said_of(root, others),
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
