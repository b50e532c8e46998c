"""What a table beside the pictures says about them: age, gender, context, anything."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
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
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}, ""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} is no table of comma-separated values in UTF-8 ({error})"
        ) from None
    header = [name.strip() for name in rows[0]] if rows else []
    if header.count("path") != 1 or len({*header}) < len(header) or "" in header:
        raise DataError(
            f"{path}: the header is {', '.join(map(repr, header)) or 'missing'}; a column 'path' "
            "is needed, and every column needs a name of its own"
        )
    place = header.index("path")
    row_of = {name: i for i, name in enumerate(names)}
    cells = {name: [""] * len(names) for name in header if name != "path"}
    seen: set[str] = set()
    unknown = []
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(f"{path}: row {number} has {len(row)} fields instead of {len(header)}")
        name = row[place].strip().replace("\\", "/").removeprefix("./")
        if name in seen:
            raise DataError(f"{path}: row {number} names {name} again")
        seen.add(name)
        if name not in row_of:
            unknown.append(f"{name} (row {number})")
            continue
        for column, value in zip(header, row, strict=True):
            if column != "path":
                cells[column][row_of[name]] = value.strip()
    if unknown:
        listed = ", ".join(unknown[:_SHOWN]) + (", …" if len(unknown) > _SHOWN else "")
        raise DataError(f"{path} names {len(unknown):,} pictures that are not there: {listed}")
    columns = {name: _column(values) for name, values in cells.items()}
    return columns, hashlib.sha256(data).hexdigest()


def _column(values: Sequence[str]) -> npt.NDArray[Any]:
    try:
        return np.array([float(v) if v else np.nan for v in values], dtype=np.float32)
    except ValueError:
        return np.array(values, dtype=np.str_)
