"""The source ``table``: pictures that a table names, with their labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import classes_of
from fer.data.issues import LISTED, DataError, DataNotFoundError
from fer.data.source import SPLITS
from fer.data.sources.folder import SPLIT_OF
from fer.data.sources.pictures import Listing, PictureFiles, PictureSource
from fer.data.table_file import read_table, relative_path

_HEADER: Final = 10_000  # bytes of it that are looked at


class FaceTable(PictureSource):
    """Pictures of a table with the columns ``path``, ``label`` and, if need be, ``split``.

    Paths are below the folder of the table, splits ``train``, ``val`` and ``test``; any other
    column is metadata. A picture's row is that of the table, counted from 0. See
    :func:`read_label_table`, and for the arguments
    :class:`~fer.data.sources.pictures.PictureSource`; ``root`` is the table, CSV or parquet.
    """

    def class_names(self) -> tuple[str, ...]:
        """Return the class names."""
        return read_label_table(self._find()).classes

    def listing(self) -> Listing:
        """Return which pictures there are."""
        path = self._find()
        table = read_label_table(path)
        root = path.parent
        files, missing = PictureFiles(), []
        for name in table.paths:
            try:
                files.add(name, os.stat(f"{root}/{name}"))  # noqa: PTH116 - there may be millions
            except OSError:
                missing.append(name)
        check_all_there(path, root, table, missing)
        return Listing(
            root, files, table.classes, table.splits, table.labels, table.metadata, table.sha256
        )

    def _find(self) -> Path:
        if self.root is None:
            raise DataNotFoundError(
                "data=table needs data.root=FILE, a CSV or parquet file with the columns path, "
                "label and split",
                code="no_root",
                where="data.root",
            )
        return self.root


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The rows of a table with the columns ``path``, ``label`` and perhaps ``split`` and others.

    Attributes:
        paths: of each row, with ``/`` on every system.
        lines: the number of each row in the file.
        splits: int64 ``[N]``, positions in :data:`fer.data.source.SPLITS`.
        labels: int64 ``[N]``, positions in the classes.
        metadata: one array ``[N]`` for each other column.
    """

    classes: tuple[str, ...]
    paths: list[str]
    lines: Sequence[int]
    splits: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    metadata: Mapping[str, npt.NDArray[np.generic]]
    sha256: str


def check_all_there(path: Path, root: Path, table: LabelTable, missing: list[str]) -> None:
    """Raise a :class:`DataError` if paths that a table names are missing."""
    if missing:
        more = f" and {len(missing) - LISTED:,} more" if len(missing) > LISTED else ""
        line = table.lines[table.paths.index(missing[0])]
        raise DataError(
            f"{path} names {len(missing):,} of {len(table.paths):,} paths that are not in "
            f"{root}: {', '.join(missing[:LISTED])}{more}",
            code="file_not_found",
            where=f"{path}:{line}",
        )


def is_label_table(path: Path) -> bool:
    """Return True if a file looks like such a table by its name and its header."""
    if path.suffix.lower() != ".csv":
        return path.suffix.lower() == ".parquet"
    with path.open("rb") as file:
        header = file.readline(_HEADER).decode("utf-8-sig", "replace")
    return {"path", "label"} <= {name.strip(' "\r\n') for name in header.split(",")}


def read_label_table(path: Path) -> LabelTable:
    """Read such a table, CSV or parquet (``.parquet``).

    The classes are those of :func:`fer.core.labels.classes_of`. Splits may be called as folders of
    splits are (``Training``, ``validation``). Without a column ``split`` all rows are for training.

    Raises:
        DataNotFoundError: there is no such table.
        DataError: a row has a wrong path, split or label.
    """
    if not path.is_file():
        raise DataNotFoundError(f"there is no table {path}", code="data_not_found", where=str(path))
    table = read_table(path, "path")
    if "label" not in table.cells:
        raise DataError(
            f"{path} needs the columns path and label; it has no 'label'",
            code="wrong_header",
            where=f"{path}:1",
        )
    labels = table.cells.pop("label")
    splits = [
        SPLIT_OF.get(word.lower(), word)
        for word in table.cells.pop("split", ["train"] * len(labels))
    ]
    paths = [relative_path(key) for key in table.keys]
    for row, (name, split, label) in enumerate(zip(paths, splits, labels, strict=True)):
        if not name or name.startswith("/") or ".." in name.split("/"):
            what = f"has the path {name!r}, where one below the folder of the pictures is needed"
            raise table.error(row, what, "wrong_path")
        if split not in SPLITS:
            what = f"has the split {split!r}, which is none of {', '.join(SPLITS)}"
            raise table.error(row, what, "wrong_split")
        if not label:
            raise table.error(row, "has no label", "no_label")
    train = {label for label, split in zip(labels, splits, strict=True) if split == "train"}
    classes, meaning = classes_of(train, labels)
    if len(classes) < 2:
        raise DataError(
            f"{path} has {len(classes)} classes in train, at least 2 are needed",
            code="too_few_classes",
            where=str(path),
        )
    if unknown := [row for row, label in enumerate(labels) if label not in meaning]:
        words = sorted({labels[row] for row in unknown})
        what = "is one of the rows with labels that no row of the split train has: "
        raise table.error(unknown[0], what + ", ".join(words[:LISTED]), "unknown_label")
    number = {word: classes.index(meant) for word, meant in meaning.items()}
    metadata, _ = table.columns(paths, paths)
    return LabelTable(
        classes,
        paths,
        table.lines,
        np.array([SPLITS.index(split) for split in splits], dtype=np.int64),
        np.array([number[label] for label in labels], dtype=np.int64),
        metadata,
        table.sha256,
    )
