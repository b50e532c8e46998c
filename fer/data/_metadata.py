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
            f"{path} names {len(unknown):,} pictures that are not there: {listed}{more}"
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
            DataError: two rows have the same key.
        """
        place = {name: i for i, name in enumerate(names)}
        seen: set[str] = set()
        for key, line in zip(keys, self.lines, strict=True):
            if key in seen:
                raise DataError(f"{self.path}: row {line} names {key} again")
            seen.add(key)
        columns = {}
        for column, cells in self.cells.items():
            values = [""] * len(names)
            for key, cell in zip(keys, cells, strict=True):
                if key in place:
                    values[place[key]] = cell
            columns[column] = _column(values)
        return columns, [i for i, key in enumerate(keys) if key not in place]


def read_table(path: Path, key: str) -> Table:
    """Read a table of comma-separated values with a column that says what a row is about.

    Raises:
        DataError: it is no such table, or a row is too long or too short.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} is no table of comma-separated values in UTF-8 ({error})"
        ) from None
    header = [name.strip() for name in rows[0]] if rows else []
    if header.count(key) != 1 or len({*header}) < len(header) or "" in header:
        raise DataError(
            f"{path}: the header is {', '.join(map(repr, header)) or 'missing'}; a column {key!r} "
            "is needed, and every column needs a name of its own"
        )
    filled = [(line, row) for line, row in enumerate(rows[1:], 2) if row]
    for line, row in filled:
        if len(row) != len(header):
            raise DataError(f"{path}: row {line} has {len(row)} fields instead of {len(header)}")
    cells = {name: [row[i].strip() for _, row in filled] for i, name in enumerate(header)}
    keys = cells.pop(key)
    sha256 = hashlib.sha256(data).hexdigest()
    return Table(path, sha256, keys, [line for line, _ in filled], cells)


def _column(values: Sequence[str]) -> npt.NDArray[Any]:
    try:
        return np.array([float(v) if v else np.nan for v in values], dtype=np.float32)
    except ValueError:
        return np.array(values, dtype=np.str_)
