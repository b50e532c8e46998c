"""Tables about pictures, CSV or parquet, with columns of numbers or words."""

from __future__ import annotations

import csv
import hashlib
import io
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.core.text import printable
from fer.data.issues import LISTED, DataError

#: What pandas calls the index that it writes; the first column without a name is one, too.
_INDEX: Final = "Unnamed: 0"
#: Words of a table that are kept as one object each.
_POOL: Final = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was read.

    Attributes:
        keys: what each row is about, N of them.
        lines: the number of each row in the file, 1 being the header.
        cells: the text of each other column, N of them.
    """

    path: Path
    sha256: str
    keys: list[str]
    lines: Sequence[int]
    cells: dict[str, list[str]]

    def error(self, row: int, problem: str, code: str) -> DataError:
        """Return the error about one row, by its position."""
        line = self.lines[row]
        return DataError(
            f"{self.path}: row {line} {problem}", code=code, where=f"{self.path}:{line}"
        )

    def columns(
        self, keys: Sequence[str], names: Sequence[str]
    ) -> tuple[dict[str, npt.NDArray[np.generic]], list[int]]:
        """Return an array for each column in the order of ``names``, and which rows have no name.

        A column whose values are all numbers becomes float32, NaN where one is missing; any other
        becomes text, empty where it is missing. ``keys`` are what the rows are about.

        Raises:
            DataError: two rows have the same key, a word stands among numbers, or a number is not
                finite.
        """
        if len({*keys}) < len(keys):
            first: dict[str, int] = {}
            row = next(i for i, key in enumerate(keys) if first.setdefault(key, i) < i)
            raise self.error(row, f"names {printable(keys[row])} again", "row_twice")
        if keys is names and not self.cells:
            return {}, []
        place = {name: i for i, name in enumerate(names)}
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
        cells = self.cells[name]
        numbers = [_number(cell) for cell in cells]
        filled = [i for i, cell in enumerate(cells) if cell]
        words = [i for i in filled if numbers[i] is None]
        if len(words) > len(filled) / 2:
            return np.array(cells, dtype=np.str_)
        infinite = [i for i in filled if (n := numbers[i]) is not None and np.isinf(n)]
        if words or infinite:
            row = min([*words, *infinite])
            raise self.error(
                row,
                f"has {cells[row]!r} in the column {name!r}, where a finite number is needed, as "
                "in its other rows: correct it, or leave the cell empty",
                "not_a_number",
            )
        return np.array([np.nan if n is None else n for n in numbers], dtype=np.float32)


def _number(cell: str) -> float | None:
    """Return a cell's number in the range of float32: infinite beyond; None for a word."""
    try:
        with np.errstate(over="ignore"):
            return float(np.float32(cell))
    except ValueError:
        return None


def relative_path(text: str) -> str:
    r"""Return a path of a table as the names of files are written.

    Example:
        >>> relative_path(".\\train/happy/")
        'train/happy'
    """
    return text.replace("\\", "/").removeprefix("./").rstrip("/")


def read_table(path: Path, key: str) -> Table:
    """Read a table, CSV or parquet (``.parquet``), with a column that says what a row is about.

    A first column without a name (or pandas' own, ``Unnamed: 0``) is the index that pandas writes;
    it is left out.

    Raises:
        DataError: it is not such a table, or a row is too long or too short.
    """
    data = path.read_bytes()
    read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
    header, lines, columns = read(path, data)
    header = [name.strip() for name in header]
    index = len(header) > 1 and header[0] in ("", _INDEX)
    if index:
        header, columns = header[1:], columns[1:]
    if header.count(key) != 1 or len({*header}) < len(header) or "" in header:
        raise DataError(
            f"{path}: the header is {', '.join(map(repr, header)) or 'missing'}; a column {key!r} "
            "is needed, and every column needs a name of its own",
            code="wrong_header",
            where=f"{path}:1",
        )
    cells = dict(zip(header, columns, strict=True))
    keys = cells.pop(key)
    return Table(path, hashlib.sha256(data).hexdigest(), keys, lines, cells)


def _read_csv(path: Path, data: bytes) -> tuple[list[str], Sequence[int], list[list[str]]]:
    stream = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    reader = csv.reader(stream, strict=True)
    lines = array("q")
    columns: list[list[str]] = []
    header: list[str] = []
    words: dict[str, str] = {}
    try:
        header = next(reader, [])
        columns = [[] for _ in header]
        for number, row in enumerate(reader, 2):
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{path}: row {number} has {len(row)} fields instead of {len(header)}",
                    code="wrong_fields",
                    where=f"{path}:{number}",
                )
            lines.append(number)
            for column, text in zip(columns, row, strict=True):
                cell = text.strip()
                # One object for each word: a million rows have few labels.
                if len(words) < _POOL:
                    words.setdefault(cell, cell)
                column.append(words.get(cell, cell))
    except UnicodeDecodeError as error:
        raise _not_a_table(path, _line_not_utf8(data), str(error)) from None
    except csv.Error as error:
        hint = ": quotes stand at both ends of a cell, without spaces" * ("expected" in str(error))
        raise _not_a_table(path, reader.line_num, f"{error}{hint}") from None
    return header, lines, columns


def _line_not_utf8(data: bytes) -> int:
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    return 1


def _not_a_table(path: Path, line: int, problem: str) -> DataError:
    return DataError(
        f"{path} is not a table of comma-separated values in UTF-8 (line {line}: {problem})",
        code="not_a_table",
        where=f"{path}:{line}",
    )


def _read_parquet(path: Path, data: bytes) -> tuple[list[str], Sequence[int], list[list[str]]]:
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
        raise DataError(
            f"{path} is not a parquet file of numbers and words: {error}",
            code="not_a_table",
            where=str(path),
        ) from None
    return names, range(1, read.num_rows + 1), columns


def read_metadata(
    path: Path, names: Sequence[str]
) -> tuple[dict[str, npt.NDArray[np.generic]], str]:
    """Read what a table says about pictures, if it is there.

    The column ``path`` names the picture, below the table's folder; every other column is a
    feature, see :meth:`Table.columns`. Pictures that the table does not name, and empty cells, are
    missing. Returns an array ``[N]`` for each feature, in the order of ``names``, and the SHA-256.

    Raises:
        DataError: the table has no column ``path``, a row too long or too short, or a picture
            twice or that is not there.
    """
    if not path.is_file():
        return {}, ""
    table = read_table(path, "path")
    keys = [relative_path(key) for key in table.keys]
    columns, unknown = table.columns(keys, names)
    if unknown:
        listed = ", ".join(f"{keys[i]} (row {table.lines[i]})" for i in unknown[:LISTED])
        more = ", …" if len(unknown) > LISTED else ""
        raise DataError(
            f"{path} names {len(unknown):,} picture{'s' * (len(unknown) > 1)} that "
            f"{'are' if len(unknown) > 1 else 'is'} not there: {listed}{more}",
            code="file_not_found",
            where=f"{path}:{table.lines[unknown[0]]}",
        )
    return columns, table.sha256
