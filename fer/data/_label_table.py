"""A table of what lies where: the columns ``path``, ``label`` and ``split``, and any others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS, canonical
from fer.data._class_folders import SPLIT_OF
from fer.data._metadata import read_table
from fer.data.source import SPLITS, DataError, DataNotFoundError

_SHOWN: Final = 10
_HEADER: Final = 10_000  # bytes of it that are looked at


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The rows of such a table.

    Attributes:
        classes: the class names.
        paths: of each row, with ``/`` on every system.
        splits: int64 ``[N]``, positions in :data:`fer.data.source.SPLITS`.
        labels: int64 ``[N]``, positions in the classes.
        metadata: one array ``[N]`` for each other column.
        sha256: of the file.
    """

    classes: tuple[str, ...]
    paths: list[str]
    splits: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    metadata: Mapping[str, npt.NDArray[np.generic]]
    sha256: str


def is_label_table(path: Path) -> bool:
    """Return True if a file looks like such a table by its name and its header."""
    if path.suffix.lower() != ".csv":
        return path.suffix.lower() == ".parquet"
    with path.open("rb") as file:
        header = file.readline(_HEADER).decode("utf-8-sig", "replace")
    return {"path", "label"} <= {name.strip(' "\r\n') for name in header.split(",")}


def read_label_table(path: Path) -> LabelTable:
    """Read a table, CSV or parquet (``.parquet``).

    The classes are the sorted labels of the training rows; where these are the seven emotions, or
    synonyms of them, the classes are the emotions in the project's order. Splits may be called as
    folders of splits are (``Training``, ``validation``). Without a column ``split`` all rows are
    for training.

    Raises:
        DataNotFoundError: there is no such table.
        DataError: a row is not what it should be.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise DataNotFoundError(f"there is no table {path}")
    table = read_table(path, "path")
    if "label" not in table.cells:
        raise DataError(f"{path} needs the columns path and label; it has no 'label'")
    words = table.cells.pop("label")
    split_words = [
        SPLIT_OF.get(word.lower(), word)
        for word in table.cells.pop("split", ["train"] * len(words))
    ]
    paths = [_inside(key) for key in table.keys]
    seen: set[str] = set()
    for name, split, label, line in zip(paths, split_words, words, table.lines, strict=True):
        wrong = ""
        if not name or name.startswith("/") or ".." in name.split("/"):
            wrong = f"the path {name!r}, where one below the folder of the pictures is needed"
        elif name in seen:
            wrong = f"{name} again"
        elif split not in SPLITS:
            wrong = f"the split {split!r}, which is none of {', '.join(SPLITS)}"
        elif not label:
            wrong = "no label"
        if wrong:
            raise DataError(f"{path}: row {line} has {wrong}")
        seen.add(name)
    train = {label for label, split in zip(words, split_words, strict=True) if split == "train"}
    meaning = _meanings(train)
    if len({*meaning.values()}) < 2:
        raise DataError(
            f"{path} has {len({*meaning.values()})} classes in train, at least 2 are needed"
        )
    other = {*words} - {*meaning}
    meaning |= {w: meant for w in other if (meant := _emotion(w)) in {*meaning.values()}}
    if unknown := sorted(other - {*meaning}):
        raise DataError(
            f"{path} has labels that no row of the split train has: {', '.join(unknown[:_SHOWN])}"
        )
    is_emotions = {*meaning.values()} == {*EMOTIONS}
    classes = EMOTIONS if is_emotions else tuple(sorted({*meaning.values()}))
    number = {word: classes.index(meant) for word, meant in meaning.items()}
    metadata, _ = table.columns(paths, paths)
    return LabelTable(
        classes,
        paths,
        np.array([SPLITS.index(split) for split in split_words], dtype=np.int64),
        np.array([number[word] for word in words], dtype=np.int64),
        metadata,
        table.sha256,
    )


def _meanings(labels: set[str]) -> dict[str, str]:
    """Return the class that each label of the training rows means."""
    meant = {label: _emotion(label) for label in labels}
    if {*meant.values()} == {*EMOTIONS}:
        return meant
    return {label: label for label in labels}


def _emotion(label: str) -> str:
    try:
        return canonical(label)
    except ValueError:
        return ""


def _inside(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./").rstrip("/")
