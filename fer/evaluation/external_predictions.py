"""The answers of any system, read from a file and joined with the data that they are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import canonical, is_basic_seven
from fer.core.text import printable
from fer.data.source import SPLITS, Faces
from fer.evaluation.predictions import (
    Predictions,
    PredictionsError,
    read_parquet,
    reading_table,
)

Ints = npt.NDArray[np.int64]
#: Reports an issue by its code and text.
Report = Callable[[str, str], None]

_LISTED: Final = 10
#: How far from one a row of probabilities may sum.
_TOLERANCE: Final = 1e-3
_PARQUET_MAGIC: Final = b"PAR1"
_FORMAT: Final = (
    "A file of predictions is CSV or parquet with the columns row (0-based row of fer2013.csv) and "
    "label (name or number), or row and a column p_CLASS for each class"
)


def read_external_predictions(path: Path, faces: Faces, names: Mapping[str, str]) -> Predictions:
    """Read answers and join them with the labels by row.

    Every test face is needed once; faces of other splits may be there too. Where there are columns
    ``p_CLASS``, the answer is the class with the highest, and a column ``label`` is not read.

    The answers come in the order of the splits, then rows.

    Args:
        path: CSV or parquet, recognised by its content.
        names: of the splits, by :data:`fer.data.source.SPLITS`.

    Raises:
        PredictionsError: the file is something else, or rows are missing, duplicated, unknown or
            invalid: one message with the numbers of the rows, and the code of the first issue.
    """
    columns = _read_columns(path)
    wanted = [f"p_{name}" for name in faces.classes]
    given = [name for name in columns if name.startswith("p_")]
    if "row" not in columns or not (given or "label" in columns):
        shown = printable(", ".join(columns))[:300]
        raise _error(path, "columns_missing", f"has the columns {shown}. {_FORMAT}")
    if given and {*given} != {*wanted}:
        raise _error(
            path,
            "classes_differ",
            f"must have the probabilities {', '.join(wanted)}, the classes of {faces.origin}; "
            f"only one side has {', '.join(sorted({*given} ^ {*wanted}))}",
        )
    issues: list[tuple[str, str]] = []

    def report(code: str, text: str) -> None:
        issues.append((code, text))

    rows = _rows(columns["row"], report)
    order = _join(rows, faces, names, report)
    probabilities = None
    if given:
        probabilities = np.stack([_numbers(columns[name]) for name in wanted], axis=1)
        _check_probabilities(probabilities, rows, report)
    else:
        answer = _labels(columns["label"], rows, faces.classes, report)
    if issues:
        lines = "\n  ".join(["can't be evaluated:", *(text for _, text in issues)])
        raise _error(path, issues[0][0], lines)
    if probabilities is not None:
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        answer = probabilities.argmax(axis=1)
    splits = [name for name in SPLITS if name in faces.splits]
    split = np.concatenate([np.full(len(faces.splits[s]), names[s]) for s in splits])
    label = np.concatenate([faces.splits[s].labels for s in splits])
    place = np.concatenate([faces.splits[s].rows for s in splits])
    here = order >= 0
    chosen = order[here]
    return Predictions(
        faces.classes,
        place[here],
        split[here],
        label[here],
        answer[chosen],
        None if probabilities is None else probabilities[chosen],
    )


def _join(rows: Ints, faces: Faces, names: Mapping[str, str], report: Report) -> Ints:
    """Return where each face of the data is in the file, -1 where it is not."""
    every = np.concatenate([faces.splits[s].rows for s in SPLITS if s in faces.splits])
    known = rows >= 0
    unique, first, count = np.unique(rows[known], return_index=True, return_counts=True)
    if (count > 1).any():
        report("rows_duplicated", f"rows more than once: {_listed(unique[count > 1])}")
    if len(unknown := np.setdiff1d(unique, every)):
        report("rows_unknown", f"rows that {faces.origin} does not have: {_listed(unknown)}")
    if len(missing := np.setdiff1d(faces.splits["test"].rows, unique)):
        recounted = len(unique) and unique.max() < faces.splits["test"].rows.min()
        hint = " (row counts from the first face of all splits)" if recounted else ""
        report("rows_missing", f"missing rows of {names['test']}: {_listed(missing)}{hint}")
    position = dict(zip(unique.tolist(), np.flatnonzero(known)[first].tolist(), strict=True))
    return np.array([position.get(row, -1) for row in every.tolist()], dtype=np.int64)


def _rows(cells: Sequence[Any], report: Report) -> Ints:
    """Return the numbers of rows, -1 where there is none."""
    numbers = _numbers(cells)
    whole = np.isfinite(numbers) & (numbers >= 0) & (numbers < 2**53)
    whole[whole] = numbers[whole] % 1 == 0
    if not whole.all():
        shown = ", ".join(repr(cells[i]) for i in np.flatnonzero(~whole)[:_LISTED])
        report("rows_invalid", f"row must be a whole number from 0, {(~whole).sum():,} are {shown}")
    return np.where(whole, np.nan_to_num(numbers), -1).astype(np.int64)


def _check_probabilities(table: npt.NDArray[np.float64], rows: Ints, report: Report) -> None:
    invalid = ~np.isfinite(table).all(axis=1)
    if invalid.any():
        report(
            "probabilities_missing",
            f"missing probabilities, or not numbers: rows {_listed(rows[invalid])}",
        )
    outside = ~invalid & ((table < 0) | (table > 1 + _TOLERANCE)).any(axis=1)
    if outside.any():
        report(
            "probabilities_out_of_range",
            f"probabilities below 0 or above 1: rows {_listed(rows[outside])} (divide percentages "
            "by 100; apply a softmax to logits)",
        )
    off = ~invalid & ~outside & (np.abs(table.sum(axis=1) - 1) > _TOLERANCE)
    if off.any():
        report(
            "probabilities_do_not_sum",
            f"probabilities that do not sum to one within {_TOLERANCE}: rows {_listed(rows[off])} "
            "(write more digits, or divide each row by its sum)",
        )


def _labels(cells: Sequence[Any], rows: Ints, classes: tuple[str, ...], report: Report) -> Ints:
    meaning = {cell: _class_of(cell, classes) for cell in {*cells}}
    found = np.array([meaning[cell] for cell in cells], dtype=np.int64)
    if (found < 0).any():
        wrong = sorted({str(cell) for cell, position in meaning.items() if position < 0})
        report(
            "labels_unknown",
            f"labels must be {', '.join(classes)} or a number from 0 to {len(classes) - 1}, not "
            f"{', '.join(map(repr, wrong[:_LISTED]))}: rows {_listed(rows[found < 0])}",
        )
    return found


def _class_of(cell: Any, classes: tuple[str, ...]) -> int:
    """Return the position of the class that a cell names, -1 where it names none."""
    if isinstance(cell, str):
        word = cell.strip()
        if word in classes:
            return classes.index(word)
        if is_basic_seven(classes):
            try:
                return classes.index(canonical(word))
            except ValueError:
                pass
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return -1
    return int(number) if number in range(len(classes)) else -1


def _numbers(cells: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return cells as numbers, NaN where they are none."""
    found = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        try:
            found[i] = float(cell)
        except (TypeError, ValueError):
            continue
    return found


def _read_columns(path: Path) -> dict[str, Sequence[Any]]:
    """Return the cells of row, label and p_CLASS, and the names of other columns."""
    import pyarrow.types as of

    if not path.is_file():
        raise _error(path, "file_missing", "is not there")
    with path.open("rb") as file:
        is_parquet = file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC or path.suffix == ".parquet"
    numbers = (of.is_integer, of.is_floating, of.is_decimal, of.is_null)
    texts = (of.is_string, of.is_large_string, of.is_string_view)
    with reading_table(path, read_parquet if is_parquet else _csv) as table:
        if len({*table.column_names}) != len(table.column_names):
            raise _error(path, "columns_duplicated", f"has two columns of one name. {_FORMAT}")
        columns: dict[str, Sequence[Any]] = dict.fromkeys(table.column_names, ())
        for name in table.column_names:
            if name not in ("row", "label") and not name.startswith("p_"):
                continue
            kind = table.schema.field(name).type
            cells = kind.value_type if of.is_dictionary(kind) else kind
            if not any(is_kind(cells) for is_kind in (*numbers, *texts)):
                raise _error(
                    path,
                    "column_type",
                    f"has {kind} in the column {name}, which needs numbers or names. {_FORMAT}",
                )
            columns[name] = table[name].to_pylist()
    return columns


def _csv(path: Path) -> Any:
    """Return a CSV file as a table of text, with the blanks around names removed."""
    import pyarrow as pa
    from pyarrow import csv

    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    if not header.strip():
        raise _error(path, "file_empty", f"is empty. {_FORMAT}")
    # Without a header row all columns are text by their number.
    table = csv.read_csv(
        path,
        csv.ReadOptions(autogenerate_column_names=True),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types={f"f{i}": pa.string() for i in range(header.count(",") + 1)}
        ),
    )
    names = [column[0].as_py().strip() for column in table.columns]
    return table.slice(1).rename_columns(names)


def _error(path: Path, code: str, text: str) -> PredictionsError:
    return PredictionsError(f"{path} {text}", code=code, where=str(path))


def _listed(rows: Ints) -> str:
    shown = ", ".join(map(str, rows[:_LISTED].tolist()))
    return f"{shown}, … ({len(rows):,} in all)" if len(rows) > _LISTED else shown
