"""What a table beside the pictures says about them: age, gender, context, anything."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.core.text import printable
from fer.data.source import DataError

#: The table's name, in the root of the pictures.
METADATA_FILE: Final = "metadata.csv"
_SHOWN: Final = 10


def read_metadata(
    path: Path, names: Sequence[str]
) -> tuple[dict[str, npt.NDArray[np.generic]], str]:
    """Read a table of metadata, if it is there.

    The column ``path`` names the picture, below the table's folder; every other column is a
    feature. A column whose values are all numbers becomes float32, NaN where one is missing;
    any other becomes text, empty where it is missing. Pictures that the table does not name, and
    empty cells, are missing.

    Args:
        path: the table.
        names: of the pictures.

    Returns:
        An array ``[N]`` for each feature, in the order of ``names``, and the SHA-256 of the table.

    Raises:
        DataError: the table has no column ``path``, a row too long or too short, or a picture
            twice or that is not there.
        OSError: it cannot be read.
    """
    if not path.is_file():
        return {}, ""
    table = read_table(path, "path")
    keys = [key.replace("\\", "/").removeprefix("./") for key in table.keys]
    columns, unknown = table.columns(keys, names)
    if unknown:
        listed = ", ".join(f"{keys[i]} (row {table.lines[i]})" for i in unknown[:_SHOWN])
        more = ", …" if len(unknown) > _SHOWN else ""
        raise DataError(
            f"{path} names {len(unknown):,} picture{'s' * (len(unknown) > 1)} that "
            f"{'are' if len(unknown) > 1 else 'is'} not there: {listed}{more}"
        )
    return columns, table.sha256


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was read.

    Attributes:
        path: of the file.
        sha256: of the file.
        keys: what each row is about, N of them.
        lines: the number of each row in the file, 1 being the header.
        cells: the text of each other column, N of them.
    """

    path: Path
    sha256: str
    keys: list[str]
    lines: list[int]
    cells: dict[str, list[str]]

    def columns(
        self, keys: Sequence[str], names: Sequence[str]
    ) -> tuple[dict[str, npt.NDArray[np.generic]], list[int]]:
        """Return an array for each column in the order of ``names``, and which rows have no name.

        Raises:
            DataError: two rows have the same key, a word stands among numbers, or a number is not
                finite.
        """
        place = {name: i for i, name in enumerate(names)}
        seen: set[str] = set()
        for key, line in zip(keys, self.lines, strict=True):
            if key in seen:
                raise DataError(f"{self.path}: row {line} names {printable(key)} again")
            seen.add(key)
        here = [i for i, key in enumerate(keys) if key in place]
        places = [place[keys[i]] for i in here]
        columns = {}
        for name in self.cells:
            # Typed as a whole: what is a number in one split is one in all.
            cells = self._column(name)
            missing: Any = "" if cells.dtype.kind == "U" else np.nan
            columns[name] = np.full(len(names), missing, dtype=cells.dtype)
            columns[name][places] = cells[here]
        return columns, [i for i, key in enumerate(keys) if key not in place]

    def _column(self, name: str) -> npt.NDArray[Any]:
        numbers = [_number(cell) for cell in self.cells[name]]
        filled = [i for i, cell in enumerate(self.cells[name]) if cell]
        words = [i for i in filled if numbers[i] is None]
        if len(words) > len(filled) / 2:
            return np.array(self.cells[name], dtype=np.str_)
        infinite = [i for i in filled if (n := numbers[i]) is not None and np.isinf(n)]
        if words or infinite:
            row = min([*words, *infinite])
            raise DataError(
                f"{self.path}: row {self.lines[row]} has {self.cells[name][row]!r} in the column "
                f"{name!r}, where a finite number is needed, as in its other rows: correct it, or "
                "leave the cell empty"
            )
        return np.array([np.nan if n is None else n for n in numbers], dtype=np.float32)


def read_table(path: Path, key: str) -> Table:
    """Read a table, CSV or parquet (``.parquet``), with a column that says what a row is about.

    A first column without a name (or pandas' own, ``Unnamed: 0``) is the index that pandas writes;
    it is left out.

    Raises:
        DataError: it is no such table, or a row is too long or too short.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, data, key)
    no_table = f"{path} is no table of comma-separated values in UTF-8"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{no_table} (line {line}: {error})") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        hint = ": quotes stand at both ends of a cell, without spaces" * ("expected" in str(error))
        raise DataError(f"{no_table} (line {reader.line_num}: {error}{hint})") from None
    header = [name.strip() for name in rows[0]] if rows else []
    index = len(header) > 1 and header[0] in ("", "Unnamed: 0")
    if index:
        header[0] = "Unnamed: 0"
    _check_header(path, header, key)
    filled = [(line, row) for line, row in enumerate(rows[1:], 2) if row]
    for line, row in filled:
        if len(row) != len(header):
            raise DataError(f"{path}: row {line} has {len(row)} fields instead of {len(header)}")
    cells = {name: [row[i].strip() for _, row in filled] for i, name in enumerate(header)}
    if index:
        del cells[header[0]]
    keys = cells.pop(key)
    sha256 = hashlib.sha256(data).hexdigest()
    return Table(path, sha256, keys, [line for line, _ in filled], cells)


def _read_parquet(path: Path, data: bytes, key: str) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        read = pq.read_table(io.BytesIO(data))
        names = [name for name in read.column_names if not name.startswith("__index_level_")]
        # As text, as a CSV file has them, so that the rest is the same.
        columns = [
            ["" if cell is None else str(cell).strip() for cell in read[name].to_pylist()]
            for name in names
        ]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is not a parquet file of numbers and words: {error}") from None
    _check_header(path, names, key)
    cells = dict(zip(names, columns, strict=True))
    keys = cells.pop(key)
    return Table(path, hashlib.sha256(data).hexdigest(), keys, [*range(1, len(keys) + 1)], cells)


def _check_header(path: Path, header: Sequence[str], key: str) -> None:
    if header.count(key) != 1 or len({*header}) < len(header) or "" in header:
        raise DataError(
            f"{path}: the header is {', '.join(map(repr, header)) or 'missing'}; a column {key!r} "
            "is needed, and every column needs a name of its own"
        )


def _number(cell: str) -> float | None:
    """Return a cell's number in the range of float32: infinite beyond; None for a word."""
    try:
        with np.errstate(over="ignore"):
            return float(np.float32(cell))
    except ValueError:
        return None
