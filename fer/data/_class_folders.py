"""Folders of classes: ``train|val|test/<class>/``, for pictures and for clips alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer.data._pictures import folders_in
from fer.data.source import SPLITS, DataError
from fer.labels import EMOTIONS, canonical


@dataclass(frozen=True, slots=True)
class Layout:
    """The classes, and which folder of each split holds which of them."""

    classes: tuple[str, ...]
    folders: Mapping[str, Mapping[str, str]]

    def labels(self, names: Sequence[str], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        numbers = {name: i for i, name in enumerate(self.classes)}
        parts = (names[row].split("/") for row in rows)
        found = [numbers[self.folders[split][folder]] for split, folder, _ in parts]
        return np.array(found, dtype=np.int64)


def read_layout(root: Path, form: str) -> Layout:
    """Return which folders of classes there are.

    Args:
        root: the folder with ``train``, and perhaps ``val`` and ``test``.
        form: how files should lie in it, for messages.

    Raises:
        DataError: the folders are not those of one set of classes.
    """
    found = {name: folders_in(root / name) for name in SPLITS if (root / name).is_dir()}
    if len(found["train"]) < 2:
        raise DataError(
            f"{root / 'train'} has {len(found['train'])} folders of classes, and at least 2 are "
            f"needed; the layout is {form}"
        )
    emotions = _emotions(root / "train", found["train"])
    classes = EMOTIONS if emotions else tuple(found["train"])
    folders: dict[str, dict[str, str]] = {}
    for split, names in found.items():
        class_of = (_emotions(root / split, names) or {}) if emotions else {n: n for n in names}
        unknown = [name for name in names if class_of.get(name) not in classes]
        if unknown:
            raise DataError(
                f"{root / split} has folders of classes that train/ does not have: "
                f"{', '.join(unknown[:10])}; train/ has {', '.join(found['train'][:20])}"
            )
        if split == "val" and (missing := [c for c in classes if c not in class_of.values()]):
            raise DataError(
                f"{root / split} lacks the classes {', '.join(missing[:10])}, which train/ has"
            )
        folders[split] = class_of
    return Layout(classes, folders)


def _emotions(folder: Path, names: Sequence[str]) -> dict[str, str] | None:
    """Return the emotion that each name means; for ``train``, None unless these are the seven."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = canonical(name)
        except ValueError:
            continue
    if folder.name == "train" and (len(found) < len(names) or {*found.values()} != {*EMOTIONS}):
        return None
    for emotion in EMOTIONS:
        if len(same := [name for name, meant in found.items() if meant == emotion]) > 1:
            raise DataError(f"{folder}: {' and '.join(same)} both mean {emotion!r}: join them")
    return found
