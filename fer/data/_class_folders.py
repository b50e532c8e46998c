"""Folders of classes: ``train|val|test/<class>/``, for pictures and for clips alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS, canonical
from fer.data._pictures import folders_in
from fer.data.source import SPLITS, DataError

#: What splits are called, in any case, by folders and in tables.
SPLIT_OF: Final = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """The classes, and which folder of each split holds which of them.

    Attributes:
        classes: the class names.
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
        OSError: the root can't be read.
    """
    found: dict[str, str] = {}
    for name in folders_in(root) if root.is_dir() else ():
        if (split := SPLIT_OF.get(name.lower())) is None:
            continue
        if split in found:
            raise DataError(f"{root}: {found[split]}/ and {name}/ both mean {split}: join them")
        found[split] = name
    return {split: found[split] for split in SPLITS if split in found}


def read_layout(root: Path, form: str) -> Layout:
    """Return which folders of classes there are.

    Args:
        root: the folder with ``train``, and perhaps ``val`` and ``test``, or synonyms of these.
        form: how files should lie in it, for messages.

    Raises:
        DataError: the folders are not those of one set of classes.
    """
    roots = split_folders(root)
    found = {split: folders_in(root / name) for split, name in roots.items()}
    if len(found["train"]) < 2:
        raise DataError(
            f"{root / roots['train']} has {len(found['train'])} folders of classes, and at least 2 "
            f"are needed; the layout is {form}"
        )
    emotions = _emotions(root / roots["train"], found["train"], is_train=True)
    classes = EMOTIONS if emotions else tuple(found["train"])
    folders: dict[str, dict[str, str]] = {}
    for split, names in found.items():
        class_of = (
            (_emotions(root / roots[split], names) or {}) if emotions else {n: n for n in names}
        )
        unknown = [name for name in names if class_of.get(name) not in classes]
        if unknown:
            raise DataError(
                f"{root / roots[split]} has folders of classes that train/ does not have: "
                f"{', '.join(unknown[:10])}; train/ has {', '.join(found['train'][:20])}"
            )
        if split == "val" and (missing := [c for c in classes if c not in class_of.values()]):
            raise DataError(
                f"{root / roots[split]} lacks the classes {', '.join(missing[:10])}, which train/ "
                "has"
            )
        folders[split] = class_of
    return Layout(classes, roots, folders)


def _emotions(
    folder: Path, names: Sequence[str], *, is_train: bool = False
) -> dict[str, str] | None:
    """Return the emotion that each name means; for ``train``, None unless these are the seven."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = canonical(name)
        except ValueError:
            continue
    if is_train and (len(found) < len(names) or {*found.values()} != {*EMOTIONS}):
        return None
    for emotion in EMOTIONS:
        if len(same := [name for name, meant in found.items() if meant == emotion]) > 1:
            raise DataError(f"{folder}: {' and '.join(same)} both mean {emotion!r}: join them")
    return found
