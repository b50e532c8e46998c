"""A table to be scored, its parts and their pictures.

A *part* is some hundred or thousand consecutive rows that are read, scored and written at once, the
same with and without Ray, so that batches and answers are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from fer.core.errors import UserError
from fer.pictures import PictureError, decoded, read_picture, shown
from fer.pixels import Image

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["pictures", "crops"]

#: Rows a part by default.
ROWS: Final = {"pictures": 256, "crops": 4096}
#: Approximate limit of a part's bytes.
_PART_BYTES: Final = 1 << 26
#: Bytes of a parquet column that are read at a time, to limit memory.
_BYTES: Final = 1 << 20
#: Default columns, the first that exists.
_COLUMNS: Final = ("image", "path")

_ADVICE: Final = (
    "a table is .csv or .parquet with a column 'path' of picture files, or .parquet with a column "
    "'image' of faces, or a folder of such .parquet files"
)


class TableError(UserError):
    """A table can't be scored; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are scored together.

    Attributes:
        number: of the part, from 0.
        file: index of its file in the table.
        group: row group of that file; 0 for CSV.
        skip: rows before it in that row group.
        first: its first row, counted from 0 through all files.
        rows: their number.
    """

    number: int
    file: int
    group: int
    skip: int
    first: int
    rows: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a part.

    Attributes:
        folder: where relative names start.
        names: of the rows' pictures, None for an empty cell; None without such a column.
        cells: of a table of faces: encoded pictures, or ``n*n`` grey bytes (``are_pixels``).
    """

    folder: Path
    names: Sequence[str | None] | None
    cells: Sequence[bytes | None] | None = None
    are_pixels: bool = False

    def picture(self, row: int) -> Image:
        """Return the picture of a row, uint8 ``[H, W]`` or ``[H, W, 3]`` RGB.

        Raises:
            PictureError: the row has none, or one that can't be read.
        """
        if self.cells is None:
            name = self.names[row] if self.names is not None else None
            if not name:
                raise PictureError("the row names no picture")
            return read_picture(self.folder / name)
        cell = self.cells[row]
        if cell is None:
            raise PictureError("the row holds no face")
        if not self.are_pixels:
            return decoded(cell)
        side = isqrt(len(cell))
        return np.frombuffer(cell, dtype=np.uint8).reshape(side, side)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of pictures or faces.

    Attributes:
        kind: whether its rows name ``pictures`` or hold ``crops``, which are faces.
        column: of the names or the faces.
        path: the column with the pictures' names, if there is one.
        sha256: of the contents of the files.
    """

    files: tuple[Path, ...]
    kind: Kind
    column: str
    path: str | None
    parts: tuple[Part, ...]
    sha256: str

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(part.rows for part in self.parts)

    def read(self, parts: Sequence[Part]) -> Iterator[tuple[Part, Rows]]:
        """Yield parts, which must be in order, and their rows; a damaged table is a TableError."""
        for (number, group), members in groupby(parts, key=lambda part: (part.file, part.group)):
            file, wanted = self.files[number], list(members)
            if file.suffix.lower() == ".csv":
                with _damage_of(file):
                    names = _csv_names(file, self.column).read_all()[0]
                for part in wanted:
                    found = _text(names.slice(part.skip, part.rows))
                    yield part, Rows(file.parent, [(name or "").strip() for name in found])
            else:
                for part, rows in self._read_group(file, group, wanted):
                    yield part, self._rows(file, rows)

    def _read_group(
        self, file: Path, group: int, parts: Sequence[Part]
    ) -> Iterator[tuple[Part, pa.Table]]:
        """Yield parts of a row group, which is streamed only as far as needed."""
        import pyarrow as pa

        columns = [name for name in dict.fromkeys((self.column, self.path)) if name]
        left = list(reversed(parts))
        held, at = list[Any](), 0
        with _damage_of(file), _open_parquet(file) as opened:
            step = max(part.rows for part in parts)
            for batch in opened.iter_batches(step, row_groups=[group], columns=columns):
                start, at = at, at + batch.num_rows
                while left:
                    part = left[-1]
                    low, high = max(part.skip, start), min(part.skip + part.rows, at)
                    if low < high:
                        held.append(batch.slice(low - start, high - low))
                    if part.skip + part.rows > at:
                        break
                    yield left.pop(), pa.Table.from_batches(held)
                    held = []
                if not left:
                    return

    def _rows(self, file: Path, rows: pa.Table) -> Rows:
        import pyarrow as pa
        import pyarrow.compute as pc

        names = _text(rows[self.path]) if self.path else None
        if self.kind == "pictures":
            return Rows(file.parent, names)
        column = rows[self.column]
        are_pixels = pa.types.is_fixed_size_binary(column.type)
        if pa.types.is_struct(column.type):
            column = pc.struct_field(column, "bytes")
        return Rows(file.parent, names, column.to_pylist(), are_pixels)


def open_table(path: Path, *, column: str | None = None, rows: int | None = None) -> Table:
    """Open a table, all of whose bytes are read for the checksum.

    Args:
        path: a CSV or parquet file, or a folder of parquet files, read in the order of their names.
        column: of the pictures' names or the faces; None: ``image``, else ``path``.
        rows: of a part; None: :data:`ROWS`, fewer for large pictures.

    Raises:
        TableError: it is not such a table.
    """
    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.glob("*.parquet") if not f.name.startswith("."))
        if not files:
            raise _error(path, "table_empty", f"holds no .parquet files: {_ADVICE}")
    elif not path.is_file():
        raise TableError(
            f"there is no file or folder {shown(path)}", code="no_such_file", where=shown(path)
        )
    for file in files:
        # Pipes and devices may never end.
        if not file.is_file():
            raise _error(file, "not_a_file", "is not a file that can be read: remove it")
    suffixes = {file.suffix.lower() for file in files}
    if suffixes == {".csv"}:
        return _open_csv(path, column or "path", rows or ROWS["pictures"])
    if suffixes == {".parquet"}:
        return _open_parquet_table(files, column, rows)
    raise _error(path, "not_a_table", f"is not a table: {_ADVICE}")


def _error(file: Path, code: str, what: str) -> TableError:
    return TableError(f"{shown(file)} {what}", code=code, where=shown(file))


@contextmanager
def _damage_of(file: Path) -> Iterator[None]:
    """Turn Arrow's errors about a file's content into a :class:`TableError`."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        # Arrow raises OSError for damaged content too, but without errno.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        why = str(error).partition("\n")[0]
        raise _error(file, "table_damaged", f"is damaged or cut off ({why})") from None


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _check_columns(file: Path, names: Sequence[str], column: str | None, wanted: str) -> None:
    if column is None or names.count(column) != 1:
        listed = ", ".join(map(repr, names[:20])) or "none"
        what = f"has the columns {listed}, and one named {wanted} is needed; {_ADVICE}"
        raise _error(file, "table_column", what)


# --- CSV -----------------------------------------------------------------------------------------


def _open_csv(file: Path, column: str, rows: int) -> Table:
    import pyarrow.compute as pc
    import pyarrow.csv

    count = 0
    with _damage_of(file):
        with pyarrow.csv.open_csv(file) as opened:
            _check_columns(file, opened.schema.names, column, repr(column))
        with _csv_names(file, column) as opened:
            for batch in opened:
                if (broken := pc.index(pc.match_substring(batch[0], "\n"), True).as_py()) >= 0:
                    where = f"{shown(file)}, row {count + broken}"
                    raise TableError(
                        f"{where}: the path has a line break; is a quotation mark left open?",
                        code="table_quote",
                        where=where,
                    )
                count += batch.num_rows
    if not count:
        raise _error(file, "table_empty", "has a header, but no rows")
    starts = range(0, count, rows)
    parts = (Part(n, 0, 0, at, at, min(rows, count - at)) for n, at in enumerate(starts))
    return Table((file,), "pictures", column, column, tuple(parts), _sha256([file]))


def _csv_names(file: Path, column: str) -> Any:
    """Return a stream of a column of names as bytes, which need not be UTF-8."""
    import pyarrow as pa
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv

    return open_csv(
        file,
        ReadOptions(use_threads=False),  # So that its errors count the rows.
        ParseOptions(newlines_in_values=True),
        ConvertOptions(include_columns=[column], column_types={column: pa.binary()}),
    )


# --- parquet -------------------------------------------------------------------------------------


def _open_parquet_table(files: Sequence[Path], column: str | None, rows: int | None) -> Table:
    parts, first = list[Part](), 0
    found: tuple[Kind, str, str | None] | None = None
    for number, file in enumerate(files):
        with _damage_of(file), _open_parquet(file) as opened:
            schema, groups = opened.schema_arrow, opened.metadata
            name = column or next((c for c in _COLUMNS if c in schema.names), None)
            _check_columns(
                file, schema.names, name, repr(column) if column else "'image' or 'path'"
            )
            this = _kind(file, schema, str(name))
            if found not in (None, this):
                raise _error(file, "table_mixed", f"is of another kind than {shown(files[0])}")
            found = this
            for group in range(groups.num_row_groups):
                inside = groups.row_group(group).num_rows
                most = rows or _rows_of_part(groups.row_group(group), *this[:2])
                for skip in range(0, inside, most):
                    count = min(most, inside - skip)
                    parts.append(Part(len(parts), number, group, skip, first, count))
                    first += count
    if not parts or found is None:
        raise _error(files[0], "table_empty", "has no rows")
    return Table(tuple(files), *found, tuple(parts), _sha256(files))


def _open_parquet(file: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file, buffer_size=_BYTES, pre_buffer=False)


def _kind(file: Path, schema: pa.Schema, column: str) -> tuple[Kind, str, str | None]:
    """Return kind, column and path column of a :class:`Table`."""
    import pyarrow as pa

    types, kind = pa.types, schema.field(column).type
    if _is_text(kind):
        return "pictures", column, column
    encoded = kind
    if types.is_struct(kind):  # As Hugging Face's data sets have pictures; -1: not one such field.
        place = kind.get_field_index("bytes")
        encoded = kind.field(place).type if place >= 0 else kind
    is_encoded = types.is_binary(encoded) or types.is_large_binary(encoded)
    width = kind.byte_width if types.is_fixed_size_binary(kind) else 0
    if not is_encoded and (not width or isqrt(width) ** 2 != width):
        raise TableError(
            f"{shown(file)}: the column {column!r} is of the type {kind}, which is neither names "
            "of pictures nor faces: faces are encoded pictures (binary, or a struct with bytes), "
            "or n*n grey pixels (fixed_size_binary[n*n], which face.tobytes() gives)",
            code="table_type",
            where=shown(file),
        )
    has_names = schema.names.count("path") == 1 and _is_text(schema.field("path").type)
    return "crops", column, "path" if has_names else None


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    forms = pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view
    return any(is_form(kind) for is_form in forms)


def _text(column: pa.ChunkedArray) -> list[str | None]:
    """Return names; bytes that are not UTF-8 are kept as surrogates."""
    import pyarrow as pa

    if not pa.types.is_binary(column.type):
        column = column.cast(pa.large_string()).cast(pa.large_binary())
    cells = column.to_pylist()
    return [None if cell is None else cell.decode("utf-8", "surrogateescape") for cell in cells]


def _rows_of_part(group: Any, kind: Kind, column: str) -> int:
    """Return how many rows of a row group make a part."""
    chunks = (group.column(i) for i in range(group.num_columns))
    size: int = sum(
        chunk.total_uncompressed_size
        for chunk in chunks
        if chunk.path_in_schema.partition(".")[0] == column
    )
    rows: int = group.num_rows
    return max(1, min(ROWS[kind], _PART_BYTES * rows // max(1, size)))
