"""A table of pictures: a row each, with its file, its label and its split."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from fer.data._metadata import read_table
from fer.data.source import SPLITS, DataError
from fer.labels import EMOTIONS, canonical
from fer.words import plain

_COLUMNS: Final = ("path", "label", "split")
_SHOWN: Final = 80
#: What other data sets call the splits.
_SPLITS: Final = {
    **{name: name for name in SPLITS},
    "training": "train",
    "validation": "val",
    "valid": "val",
    "testing": "test",
}
_FORM: Final = (
    "a table of pictures has the columns path and label, and perhaps split and others, separated "
    "by commas, in UTF-8 (its first line may be path,label,split); FER2013's has emotion, pixels "
    "and Usage"
)
#: The header of a table is looked at before the whole is read.
_HEADER: Final = 1 << 16


def read_picture_table(path: Path) -> tuple[dict[str, Any], list[Path]] | None:
    """Read a table of pictures; None where it is one in FER2013's form.

    The columns ``path`` (below the folder of the table, or a whole one), ``label`` and ``split``
    (``train``, ``val``, ``test``) are needed, ``split`` only where not all are for training. Any
    other column is a feature of the face: age, gender, context. Where the labels are the seven
    emotions, or synonyms of them, the classes are the emotions in the project's order, else the
    sorted labels of the training pictures.

    Returns:
        What :class:`fer.data.conversion.plan.Plan` is made of, but for ``source`` and ``read``;
        and the file of each picture.

    Raises:
        DataError: a cell or the table is not as it should be.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        first = file.readline(_HEADER)
    header = first.decode("utf-8-sig", "replace")
    names = [name.strip().strip('"') for name in header.strip().split(",")]
    if "path" not in names or "label" not in names:
        if "pixels" in names:
            return None
        raise DataError(f"{path} {_no_header(first)}; {_FORM}")
    table = read_table(path, "path")
    files = [key.replace("\\", "/").removeprefix("./") for key in table.keys]
    labels = table.cells.pop("label")
    told = table.cells.pop("split", None) or ["train"] * len(files)
    if not files:
        raise DataError(f"{path} has a header, but no rows")
    splits = [_SPLITS.get(name.lower()) for name in told]
    for what, wrong in (
        ("split", [i for i, split in enumerate(splits) if split is None]),
        ("label", [i for i, label in enumerate(labels) if not label]),
        ("path", [i for i, file in enumerate(files) if not file]),
    ):
        if wrong:
            cell = {"split": told, "label": labels, "path": files}[what][wrong[0]]
            hint = "; the splits are train, val and test" if what == "split" else ""
            raise DataError(
                f"{path}: row {table.lines[wrong[0]]} has {cell!r} in the column {what!r}, and "
                f"{len(wrong) - 1:,} rows more are like it{hint}"
            )
    if "train" not in splits:
        raise DataError(
            f"{path} has no row for train, only for {', '.join(sorted({*map(str, splits)}))}: the "
            "column 'split' says which rows are to be learnt from"
        )
    classes, numbers = _classes(path, labels, splits)
    metadata, _ = table.columns(files, files)
    paths = [path.parent / file for file in files]
    digest = hashlib.sha256(table.sha256.encode())
    for one in paths:
        digest.update(_state(one).encode())
    plan = {
        "classes": classes,
        "splits": np.array([SPLITS.index(str(split)) for split in splits], dtype=np.uint8),
        "labels": np.array([numbers[label] for label in labels], dtype=np.int64),
        "rows": np.arange(len(files), dtype=np.int64),
        "identity": digest.hexdigest(),
        "names": files,
        "metadata": metadata,
        "draws_val": "val" not in splits,
    }
    return plan, paths


def _no_header(first: bytes) -> str:
    """Say what a first line is instead of the header of a table."""
    if not first.strip():
        return "is empty" if not first else "begins with an empty line"
    if first.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in first:
        return "is text in UTF-16, or no text"
    header = first.decode("utf-8-sig", "replace").strip()
    for name, mark in (("semicolons", ";"), ("tabs", "\t")):
        if mark in header and "," not in header:
            return f"separates its columns by {name} (its header is {header[:_SHOWN]!r})"
    return f"has the header {header[:_SHOWN]!r}"


def _state(path: Path) -> str:
    try:
        found = path.stat()
    except (OSError, ValueError):  # It may hold a NUL, which no path does.
        # Told with the reason when it is to be read.
        return "none"
    # What is no file is not read, and its times change by themselves.
    return f"{found.st_size} {found.st_mtime_ns}" if stat.S_ISREG(found.st_mode) else "no file"


def _classes(
    path: Path, labels: Sequence[str], splits: Sequence[str | None]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the class names, and the number of each label."""
    found = sorted({*labels})
    train = {label for label, split in zip(labels, splits, strict=True) if split == "train"}
    meant = {label: _emotion(label) for label in found}
    if {meant[label] for label in train} == {*EMOTIONS} and None not in meant.values():
        return EMOTIONS, {label: EMOTIONS.index(str(name)) for label, name in meant.items()}
    if unknown := [label for label in found if label not in train]:
        raise DataError(
            f"{path} has labels that no training picture has: {_listed(unknown[:10])}; those of "
            f"train are {_listed(sorted(train)[:20])}. Leave those rows out, or give "
            "some of them to train: nobody can learn a class without pictures"
        )
    if len(found) < 2:
        raise DataError(f"{path} has the one label {found[0]!r}, and at least 2 are needed")
    return tuple(found), {label: i for i, label in enumerate(found)}


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(plain(label) for label in labels)


def _emotion(label: str) -> str | None:
    try:
        return canonical(label)
    except ValueError:
        return None
