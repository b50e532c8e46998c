"""Tables of parquet: which row group holds which part, and its rows, read as a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fer.inference.scoring.crops import is_faces
from fer.inference.scoring.parts import ADVICE, ROWS, Kind, Part, Rows, TableError
from fer.pictures import shown

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns that are looked for, in this order.
_COLUMNS: Final = ("image", "path")
#: Rows read at a time, and bytes of a column: memory does not follow the size of the file.
_BATCH: Final = 1024
_BYTES: Final = 1 << 20
#: Bytes of a part at most, or about: large pictures make smaller parts.
_PART_BYTES: Final = 1 << 26

#: What the rows are, the column that says it, and the column with names, if there is one.
Columns = tuple[Kind, str, str | None]


def open_parquet(
    files: Sequence[Path], column: str | None, rows: int | None
) -> tuple[Columns, list[Part], str]:
    """Return what files hold, their parts, and the SHA-256 of their contents.

    Args:
        files: in order.
        column: that names the pictures or holds the faces; None: ``image``, else ``path``.
        rows: of a part; None: as many as suit the kind.

    Raises:
        TableError: a file is no such table, or of another kind than the first.
        OSError: it can't be read.
    """
    digest = hashlib.sha256()
    parts = list[Part]()
    found: Columns | None = None
    first = 0
    for number, path in enumerate(files):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        with _parquet(path) as opened:
            schema, groups = opened.schema_arrow, opened.metadata
            name = column or next((c for c in _COLUMNS if c in schema.names), None)
            if name is None or schema.names.count(name) != 1:
                listed = ", ".join(map(repr, schema.names[:20])) or "none"
                wanted = repr(column) if column else "'image' or 'path'"
                raise TableError(
                    f"{shown(path)} has the columns {listed}, and one named {wanted} is needed; "
                    f"{ADVICE}"
                )
            kind = schema.field(name).type
            if _is_names(kind):
                this: Columns = ("pictures", name, name)
            elif is_faces(kind):
                this = ("crops", name, "path" if _names(schema, "path") else None)
            else:
                raise TableError(
                    f"{shown(path)}: the column {name!r} is of the type {kind}, which is neither "
                    "names of pictures nor faces: faces are encoded pictures (binary), grey pixels "
                    "in a row (fixed_size_binary or a list of n·n numbers), or lists of their rows"
                )
            if found not in (None, this):
                raise TableError(f"{shown(path)} is of another kind than {shown(files[0])}")
            found = this
            for group in range(groups.num_row_groups):
                inside = groups.row_group(group).num_rows
                most = rows or _most(groups.row_group(group), name, this[0])
                for skip in range(0, inside, most):
                    count = min(most, inside - skip)
                    parts.append(Part(len(parts), number, group, skip, first, count))
                    first += count
    if not parts or found is None:
        raise TableError(f"{shown(files[0])} has no rows")
    return found, parts, digest.hexdigest()


def _names(schema: Any, column: str) -> bool:
    return schema.names.count(column) == 1 and _is_names(schema.field(column).type)


def _is_names(kind: pa.DataType) -> bool:
    """Say whether a column of this type holds text, in any of the forms that writers choose."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    forms = pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view
    return any(is_form(kind) for is_form in forms)


def _most(group: Any, column: str, kind: Kind) -> int:
    """Return how many rows of a row group suit a part."""
    chunks = (group.column(i) for i in range(group.num_columns))
    size: int = sum(
        chunk.total_uncompressed_size
        for chunk in chunks
        if chunk.path_in_schema.partition(".")[0] == column
    )
    rows: int = group.num_rows
    return max(1, min(ROWS[kind], _PART_BYTES * rows // max(1, size)))


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, buffer_size=_BYTES, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        if _is_of_disk(error):
            raise
        raise TableError(f"{shown(path)} is no parquet file, or is cut off ({error})") from None


def _is_of_disk(error: Exception) -> bool:
    # Arrow raises OSError for bytes that make no sense, too, but without a number.
    return isinstance(error, OSError) and error.errno is not None


def group_rows(
    path: Path, group: int, parts: Sequence[Part], columns: Columns
) -> Iterator[tuple[Part, Rows]]:
    """Yield parts of a row group and their rows.

    Args:
        path: the file.
        group: the row group.
        parts: of it, in order.
        columns: what is read of it.

    Raises:
        TableError: the file is damaged.
        OSError: it can't be read.
    """
    import pyarrow as pa

    names = [name for name in dict.fromkeys(columns[1:]) if name]
    left = iter(parts)
    part = next(left, None)
    at, held = 0, list[Any]()
    try:
        with _parquet(path) as opened:
            rows = min(_BATCH, max(part.rows for part in parts))
            for batch in opened.iter_batches(rows, row_groups=[group], columns=names):
                start, at = at, at + batch.num_rows
                while part is not None:
                    low, high = max(part.skip, start), min(part.skip + part.rows, at)
                    if low < high:
                        held.append(batch.slice(low - start, high - low))
                    if part.skip + part.rows > at:
                        break
                    yield part, _rows_of(columns, pa.Table.from_batches(held))
                    held, part = [], next(left, None)
                if part is None:
                    return
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if _is_of_disk(error):
            raise
        raise TableError(f"{shown(path)} is damaged ({error})") from None


def _rows_of(columns: Columns, rows: pa.Table) -> Rows:
    kind, column, path = columns
    paths = _text(rows[path]) if path else None
    if kind == "crops":
        return Rows(paths, rows[column], {})
    unnamed = (i for i, name in enumerate(paths or ()) if not name)
    return Rows(paths, None, dict.fromkeys(unnamed, "the row names no picture"))


def _text(column: pa.ChunkedArray) -> list[str | None]:
    """Return names; those that are no UTF-8 stay the names that they are, as in CSV."""
    import pyarrow as pa

    found: list[str | None]
    try:
        found = column.to_pylist()
    except UnicodeDecodeError:
        cells = column.cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
        found = [None if one is None else one.decode("utf-8", "surrogateescape") for one in cells]
    return found
