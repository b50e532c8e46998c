"""A table that is to be scored: which rows make which part, and how a part is read.

A *part* is some thousand rows side by side. It is what is scored at once, written at once and lost
at most when a process is killed; and since it is made of the same rows whoever scores it, so are
the batches that the model sees, and the answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from fer.inference.scoring.comma import csv_rows, open_csv
from fer.inference.scoring.parquet import group_rows, open_parquet
from fer.inference.scoring.parts import ADVICE, ROWS, Kind, Part, Rows, TableError
from fer.pictures import shown


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was found.

    Attributes:
        files: of it, in order.
        kind: whether its rows name pictures or hold faces.
        column: that does so.
        path: the column with the pictures' names, if there is one beside.
        parts: all of it.
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
        """How many rows it has."""
        return sum(part.rows for part in self.parts)

    def read(self, parts: Sequence[Part]) -> Iterator[tuple[Part, Rows]]:
        """Yield parts and their rows, one after the other.

        Raises:
            TableError: the table is damaged.
            OSError: it can't be read.
        """
        for (file, place), some in groupby(parts, key=lambda part: (part.file, part.place)):
            if self.files[file].suffix.lower() == ".csv":
                for part in some:
                    yield part, csv_rows(self.files[file], part)
            else:
                columns = self.kind, self.column, self.path
                yield from group_rows(self.files[file], place, list(some), columns)


def open_table(path: Path, *, column: str | None = None, rows: int | None = None) -> Table:
    """Look at a table, all of whose bytes are read for their checksum.

    Args:
        path: a file, or a folder of parquet files, which are read in the order of their names.
        column: that names the pictures or holds the faces; None: ``image``, else ``path``.
        rows: of a part; None: as many as suit the kind.

    Raises:
        TableError: it is no such table.
        OSError: it can't be read.
    """
    if path.is_dir():
        files = sorted(f for f in path.glob("*.parquet") if not f.name.startswith("."))
        if not files:
            raise TableError(f"{shown(path)} holds no .parquet files: {ADVICE}")
        for file in files:
            # Others may never end.
            if not file.is_file():
                raise TableError(f"{shown(file)} is not a file that can be read: remove it")
    elif path.is_file():
        files = [path]
    else:
        raise TableError(f"there is no file or folder {shown(path)}")
    suffixes = {file.suffix.lower() for file in files}
    if suffixes == {".csv"}:
        name = column or "path"
        parts, sha256 = open_csv(files[0], name, rows or ROWS["pictures"])
        return Table((files[0],), "pictures", name, name, tuple(parts), sha256)
    if suffixes == {".parquet"}:
        columns, parts, sha256 = open_parquet(files, column, rows)
        return Table(tuple(files), *columns, tuple(parts), sha256)
    raise TableError(f"{shown(path)} is no table: {ADVICE}")
