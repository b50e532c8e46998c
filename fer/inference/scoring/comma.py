"""Tables of comma-separated values: where their parts begin, and the names in one."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

from fer.inference.scoring.parts import ADVICE, Part, Rows, TableError
from fer.pictures import shown


def open_csv(path: Path, column: str, rows: int) -> tuple[list[Part], str]:
    """Return the parts of a file, and the SHA-256 of its contents.

    Args:
        path: the file.
        column: that names the pictures.
        rows: of a part.

    Raises:
        TableError: it has no such column, or no rows.
        OSError: it can't be read.
    """
    digest = hashlib.sha256()
    starts = list[tuple[int, int]]()
    at, count = 0, -1
    with path.open("rb") as file:

        def lines() -> Iterator[str]:
            nonlocal at
            for line in file:
                digest.update(line)
                at += len(line)
                yield _text(line)

        reader = csv.reader(lines(), strict=True)
        header: list[str] = []
        place = 0
        try:
            for cells in reader:
                if count < 0:
                    header, count = [name.strip() for name in cells], 0
                elif cells:
                    if count % rows == 0:
                        starts.append((place, count))
                    count += 1
                place = at
        except csv.Error as error:
            raise TableError(
                f"{shown(path)}: line {reader.line_num} is no comma-separated text ({error})"
            ) from None
    if header.count(column) != 1:
        raise TableError(
            f"{shown(path)} has the columns {', '.join(map(repr, header)) or 'none'}, and one "
            f"named {column!r} is needed; {ADVICE}"
        )
    if count < 1:
        raise TableError(f"{shown(path)} has a header, but no rows")
    ends = [first for _, first in starts[1:]] + [count]
    parts = [
        Part(number, 0, place, header.index(column), first, end - first)
        for number, ((place, first), end) in enumerate(zip(starts, ends, strict=True))
    ]
    return parts, digest.hexdigest()


def csv_rows(path: Path, part: Part) -> Rows:
    """Return the names in a part.

    Raises:
        OSError: the file can't be read.
    """
    paths, problems = list[str | None](), dict[int, str]()
    with path.open("rb") as file:
        file.seek(part.place)
        # Of a CSV file, what is skipped is the fields before the path.
        for cells in csv.reader((_text(line) for line in file), strict=True):
            if not cells:
                continue
            name = cells[part.skip].strip() if len(cells) > part.skip else ""
            if not name:
                problems[len(paths)] = "the row names no picture"
            paths.append(name or None)
            if len(paths) == part.rows:
                break
    return Rows(paths, None, problems)


def _text(line: bytes) -> str:
    # Names that are no UTF-8 stay the names that they are.
    return line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
