"""Any system's answers, read from a file and held against the data that they are about."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import canonical, is_basic_seven
from fer.core.text import printable
from fer.data.source import SPLITS, Faces
from fer.evaluation.predictions import Predictions, PredictionsError, reading_parquet

_LISTED: Final = 10
#: How far from one a row of probabilities may sum.
_TOLERANCE: Final = 1e-3
#: How parquet files begin.
_PARQUET: Final = b"PAR1"
_FORM: Final = (
    "A file of predictions is CSV or parquet with the columns row (0-based row of fer2013.csv) and "
    "label (name or number), or row and a column p_CLASS for each class"
)


def read_external_predictions(path: Path, faces: Faces, names: Mapping[str, str]) -> Predictions:
    """Read answers and join them with the truth by row.

    Every test face is needed once; faces of other splits may be there too. Where there are columns
    ``p_CLASS``, the answer is the class with the highest, and a column ``label`` is not read.

    Args:
        path: CSV or parquet, told by what is in it: names lie.
        faces: the data that the rows are of.
        names: what its splits are called, by :data:`fer.data.source.SPLITS`.

    Returns:
        The answers in the order of the splits, then rows.

    Raises:
        PredictionsError: the file is something else, or rows are missing, doubled, unknown or
            broken: one message with the numbers of the rows.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise PredictionsError(f"there is no file {path}")
    columns = _parquet(path) if _is_parquet(path) else _csv(path)
    if not columns:
        raise PredictionsError(f"{path} is empty. {_FORM}")
    wanted = [f"p_{name}" for name in faces.classes]
    given = [name for name in columns if name.startswith("p_")]
    if "row" not in columns or not (given or "label" in columns):
        raise PredictionsError(
            f"{path} has the columns {printable(', '.join(columns))[:300]}. {_FORM}"
        )
    if given and {*given} != {*wanted}:
        apart = sorted({*given} ^ {*wanted})
        raise PredictionsError(
            f"{path}: probabilities must be {', '.join(wanted)}, the classes of {faces.origin}; "
            f"there is no pair for {', '.join(apart)}"
        )
    problems: list[str] = []
    rows = _rows(columns["row"], problems)
    order = _join(rows, faces, names, problems)
    probabilities = answer = None
    if given:
        table = np.stack([_numbers(columns[name]) for name in wanted], axis=1)
        _check_probabilities(table, rows, problems)
        probabilities = table / table.sum(axis=1, keepdims=True) if not problems else table
    else:
        answer = _labels(columns["label"], rows, faces.classes, problems)
    if problems:
        raise PredictionsError("\n  ".join([f"{path} can't be judged:", *problems]))
    found = probabilities.argmax(axis=1) if probabilities is not None else answer
    assert found is not None  # noqa: S101 - one of the two was read
    present = [name for name in SPLITS if name in faces.splits]
    split = np.concatenate([np.full(len(faces.splits[s]), names[s]) for s in present])
    label = np.concatenate([faces.splits[s].labels for s in present])
    place = np.concatenate([faces.splits[s].rows for s in present])
    here = order >= 0
    chosen = order[here]
    return Predictions(
        faces.classes,
        place[here],
        split[here],
        label[here],
        found[chosen],
        None if probabilities is None else probabilities[chosen],
    )


def _join(
    rows: npt.NDArray[np.int64], faces: Faces, names: Mapping[str, str], problems: list[str]
) -> npt.NDArray[np.int64]:
    """Return where each face of the data is in the file, -1 where it is not."""
    every = np.concatenate([faces.splits[s].rows for s in SPLITS if s in faces.splits])
    known = rows >= 0
    unique, first, count = np.unique(rows[known], return_index=True, return_counts=True)
    if (count > 1).any():
        problems.append(f"rows that are there more than once: {_some(unique[count > 1])}")
    if len(unknown := np.setdiff1d(unique, every)):
        problems.append(f"rows that {faces.origin} does not have: {_some(unknown)}")
    if len(missing := np.setdiff1d(faces.splits["test"].rows, unique)):
        counted_anew = len(unique) and unique.max() < faces.splits["test"].rows.min()
        hint = " (row counts from the first face of all splits)" if counted_anew else ""
        problems.append(f"rows of {names['test']} that are missing: {_some(missing)}{hint}")
    position = dict(zip(unique.tolist(), np.flatnonzero(known)[first].tolist(), strict=True))
    return np.array([position.get(row, -1) for row in every.tolist()], dtype=np.int64)


def _rows(cells: Sequence[Any], problems: list[str]) -> npt.NDArray[np.int64]:
    """Return the numbers of rows, -1 where there is none."""
    numbers = _numbers(cells)
    whole = np.isfinite(numbers) & (numbers >= 0) & (numbers < 2**53)
    whole[whole] = numbers[whole] % 1 == 0
    if not whole.all():
        shown = ", ".join(repr(cells[i]) for i in np.flatnonzero(~whole)[:_LISTED])
        count = (
            "1 row is no whole number"
            if len(whole) - whole.sum() == 1
            else (f"{(~whole).sum():,} rows are no whole numbers")
        )
        problems.append(f"{count} from 0: {shown}")
    return np.where(whole, np.nan_to_num(numbers), -1).astype(np.int64)


def _check_probabilities(
    table: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], problems: list[str]
) -> None:
    broken = ~np.isfinite(table).all(axis=1)
    if broken.any():
        problems.append(f"probabilities that are missing or no numbers, rows {_some(rows[broken])}")
    outside = ~broken & ((table < 0) | (table > 1 + _TOLERANCE)).any(axis=1)
    if outside.any():
        problems.append(
            f"probabilities below 0 or above 1, rows {_some(rows[outside])} (divide percents by "
            "100; logits become probabilities by a softmax)"
        )
    off = ~broken & ~outside & (np.abs(table.sum(axis=1) - 1) > _TOLERANCE)
    if off.any():
        problems.append(
            f"probabilities that do not sum to one within {_TOLERANCE}, rows {_some(rows[off])} "
            "(write more digits, or divide each row by its sum)"
        )


def _labels(
    cells: Sequence[Any],
    rows: npt.NDArray[np.int64],
    classes: tuple[str, ...],
    problems: list[str],
) -> npt.NDArray[np.int64]:
    meaning: dict[Any, int] = {}
    for cell in {*cells}:
        meaning[cell] = _position(cell, classes)
    found = np.array([meaning[cell] for cell in cells], dtype=np.int64)
    if (found < 0).any():
        wrong = sorted({str(cell) for cell, position in meaning.items() if position < 0})
        problems.append(
            f"labels that are none of {', '.join(classes)} nor a number from 0 to "
            f"{len(classes) - 1}: {', '.join(map(repr, wrong[:_LISTED]))}, rows "
            f"{_some(rows[found < 0])}"
        )
    return found


def _position(cell: Any, classes: tuple[str, ...]) -> int:
    """Return the class that a cell means, -1 where it means none."""
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


def _csv(path: Path) -> dict[str, Sequence[Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        table = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise PredictionsError(f"{path} is no table of text in UTF-8 ({error}). {_FORM}") from None
    header = [name.strip() for name in table[0]] if table else []
    ragged = [i for i, row in enumerate(table[1:]) if len(row) != len(header)]
    if ragged or len({*header}) != len(header):
        what = "its header has a name twice"
        if ragged:
            what = f"line {ragged[0] + 2} has another number of fields than its header"
        raise PredictionsError(f"{path} is no table: {what}. {_FORM}")
    return {name: [row[i] for row in table[1:]] for i, name in enumerate(header)}


def _is_parquet(path: Path) -> bool:
    """Say whether a file begins as parquet does, or is at least called so."""
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET or path.suffix == ".parquet"


def _parquet(path: Path) -> dict[str, Sequence[Any]]:
    import pyarrow.types as of

    values = (of.is_integer, of.is_floating, of.is_decimal, of.is_null)
    words = (of.is_string, of.is_large_string, of.is_string_view)
    with reading_parquet(path) as table:
        if len({*table.column_names}) != len(table.column_names):
            raise PredictionsError(f"{path}: a column is named twice. {_FORM}")
        # What else a system wrote down is its own business.
        found: dict[str, Sequence[Any]] = dict.fromkeys(table.column_names, ())
        for name in filter(_is_read, table.column_names):
            kind = table.schema.field(name).type
            cells = kind.value_type if of.is_dictionary(kind) else kind
            if not any(is_kind(cells) for is_kind in (*values, *words)):
                raise PredictionsError(
                    f"{path}: the column {name} holds {kind} instead of a number or a name each. "
                    f"{_FORM}"
                )
            found[name] = table[name].to_pylist()
    return found


def _is_read(name: str) -> bool:
    return name in ("row", "label") or name.startswith("p_")


def _some(rows: npt.NDArray[np.int64]) -> str:
    shown = ", ".join(map(str, rows[:_LISTED].tolist()))
    return f"{shown}, … ({len(rows):,} in all)" if len(rows) > _LISTED else shown
