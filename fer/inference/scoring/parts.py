"""Parts of a table: some thousand rows side by side, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from fer.core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["pictures", "crops"]

#: Rows a part, unless it is said.
ROWS: Final = {"pictures": 256, "crops": 4096}

#: What a table is, for messages.
ADVICE: Final = (
    "a table is .csv or .parquet with a column 'path' of picture files, or .parquet with a column "
    "'image' of faces, or a folder of such .parquet files"
)


class TableError(UserError):
    """A table can't be scored; the message says what is wrong where."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are scored together.

    Attributes:
        number: of the part, from 0.
        file: which of the table's files holds it.
        place: of a CSV file the byte at which it begins, of parquet the row group.
        skip: rows before it in that row group.
        first: its first row, counted from 0 through all files.
        rows: how many it has.
    """

    number: int
    file: int
    place: int
    skip: int
    first: int
    rows: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a part.

    Attributes:
        paths: what each names, if the table has such a column; None where the cell is empty.
        faces: the column of faces, if it is one of faces.
        problems: why a row can't be read, by its position.
    """

    paths: list[str | None] | None
    faces: pa.ChunkedArray | None
    problems: dict[int, str]
