"""The source ``folder``: anyone's pictures, a folder a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import classes_of
from fer.data.issues import DataError, DataNotFoundError
from fer.data.source import SPLITS
from fer.data.sources.pictures import (
    Listing,
    PictureFiles,
    PictureSource,
    folders_in,
    note_left_out,
    pictures_in,
)
from fer.data.table_file import read_metadata
from fer.picture_folders import list_pictures
from fer.pictures import SUFFIXES

LAYOUT: Final = "train/<class>/*, val/<class>/* and test/<class>/*"
#: The table of metadata, in the root of the pictures.
METADATA_FILE: Final = "metadata.csv"

#: What splits are called, in any case, by folders and in tables.
SPLIT_OF: Final = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


class ImageFolder(PictureSource):
    """Pictures in ``train|val|test/<class>/``.

    They may lie in folders below that of their class. Folders of splits may be called ``training``,
    ``valid``, ``validation`` and ``testing`` too, in any case. Files whose names are not those of
    pictures are left out; the :attr:`~fer.data.source.Faces.notes` count them by kind.

    The classes are the sorted names of the folders in ``train``. Where these are the seven
    emotions, or synonyms of them (:func:`fer.core.labels.canonical`), the classes are the emotions
    in the project's order. ``test`` may be missing. A picture's row is its position among all files
    sorted by path.

    ``metadata.csv`` in the root, if there is one, brings more about each picture: a column
    ``path`` (below the root) and any others, such as age, gender and context. See
    :func:`fer.data.table_file.read_metadata`.

    For the arguments see :class:`~fer.data.sources.pictures.PictureSource`.
    """

    def class_names(self) -> tuple[str, ...]:
        """Return the class names, by looking at the folders alone."""
        return read_layout(self._find(), LAYOUT).classes

    def listing(self) -> Listing:
        """Return which pictures there are."""
        root = self._find()
        layout = read_layout(root, LAYOUT)
        others: dict[str, list[str]] = {}
        files = _pictures(root, layout, others)
        names = files.names
        metadata, digest = read_metadata(root / METADATA_FILE, names)
        return Listing(
            root,
            files,
            layout.classes,
            np.array([SPLITS.index(split_of(name)) for name in names], dtype=np.int64),
            layout.labels(names),
            metadata,
            digest,
            note_left_out(root, others),
        )

    def _find(self) -> Path:
        if self.root is None:
            raise DataNotFoundError(
                f"data=folder needs data.root=FOLDER, the folder that holds {LAYOUT}",
                code="no_root",
                where="data.root",
            )
        return with_train(self.root, f"data.root names the folder that holds {LAYOUT}")


def _pictures(root: Path, layout: Layout, others: dict[str, list[str]]) -> PictureFiles:
    """Return the pictures of all splits and classes, sorted by path."""
    files = PictureFiles()
    if strange := [name for name in folders_in(root) if name not in layout.roots.values()]:
        others["folder of no split"] = strange
    for split, folders in layout.folders.items():
        name = layout.roots[split]
        if loose := list_pictures(root / name, deep=False).pictures:
            others["picture in no class"] = [f"{name}/{path}" for path in loose]
        for folder in folders:
            before = len(files)
            pictures_in(root, name, folder, others=others, files=files)
            if split == "train" and len(files) == before:
                raise DataError(
                    f"{root / name / folder} holds no pictures ({', '.join(SUFFIXES)}); they lie "
                    "in the folder of their class",
                    code="empty_class",
                    where=f"{root}/{name}/{folder}",
                )
    return files.sorted()


@dataclass(frozen=True, slots=True)
class Layout:
    """The classes, and which folder of each split holds which of them.

    Attributes:
        roots: what the folder of each split is called.
        folders: for each split, the class that each of its folders holds.
    """

    classes: tuple[str, ...]
    roots: Mapping[str, str]
    folders: Mapping[str, Mapping[str, str]]

    def labels(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the class of each file by its name below the root, int64 ``[N]``."""
        numbers = {name: i for i, name in enumerate(self.classes)}
        return np.array(
            [numbers[self.folders[split_of(name)][name.split("/")[1]]] for name in names],
            dtype=np.int64,
        )


def split_of(name: str) -> str:
    """Return the split of a file by its name below the root."""
    return SPLIT_OF[name.partition("/")[0].lower()]


def split_folders(root: Path) -> dict[str, str]:
    """Return what the folder of each split is called, such as ``val`` or ``Validation``.

    Raises:
        DataError: two folders mean the same split.
    """
    found: dict[str, str] = {}
    for name in folders_in(root) if root.is_dir() else ():
        if (split := SPLIT_OF.get(name.lower())) is None:
            continue
        if split in found:
            raise _misfit(f"{root}: {found[split]}/ and {name}/ both mean {split}: join them", root)
        found[split] = name
    return {split: found[split] for split in SPLITS if split in found}


def with_train(root: Path, advice: str) -> Path:
    """Return the folder, or raise a :class:`DataNotFoundError` if it has no split train."""
    if "train" not in split_folders(root):
        there = "has no folder 'train'" if root.exists() else "does not exist"
        raise DataNotFoundError(f"{root} {there}; {advice}", code="data_not_found", where=str(root))
    return root


def read_layout(root: Path, form: str) -> Layout:
    """Return which folders of classes there are.

    ``form`` tells in messages how files should lie in the folder.

    Raises:
        DataError: the folders are not those of one set of classes.
    """
    roots = split_folders(root)
    found = {split: folders_in(root / name) for split, name in roots.items()}
    train = found["train"]
    if len(train) < 2:
        raise _misfit(
            f"{root / roots['train']} has {len(train)} folders of classes, and at least 2 are "
            f"needed; the layout is {form}",
            root / roots["train"],
        )
    classes, meaning = classes_of(train, [name for names in found.values() for name in names])
    folders: dict[str, dict[str, str]] = {}
    for split, names in found.items():
        folder = root / roots[split]
        if unknown := [name for name in names if name not in meaning]:
            raise _misfit(
                f"{folder} has folders of classes that train/ does not have: "
                f"{', '.join(unknown[:10])}; train/ has {', '.join(train[:20])}",
                folder / unknown[0],
            )
        class_of = {name: meaning[name] for name in names}
        for meant in classes:
            same = [name for name in names if class_of[name] == meant]
            if len(same) > 1:
                raise _misfit(
                    f"{folder}: {' and '.join(same)} both mean {meant!r}: join them", folder
                )
            if split == "val" and not same:
                raise _misfit(f"{folder} lacks the class {meant}, which train/ has", folder)
        folders[split] = class_of
    return Layout(classes, roots, folders)


def _misfit(message: str, where: Path) -> DataError:
    return DataError(message, code="class_folders", where=str(where))
