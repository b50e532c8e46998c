"""What is wrong with single rows of a data set, and the error that lists it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fer.data.source import DataError

#: What can be wrong with a row:
#: ``line`` (longer than any face needs), ``fields`` (not as many as the header has, or a broken
#: quote), ``label``, ``pixel_count``, ``pixel_number`` (not a number), ``pixel_range``, ``split``.
DefectKind = Literal[
    "line", "fields", "label", "pixel_count", "pixel_number", "pixel_range", "split"
]

#: How many defects a message lists.
LISTED: Final = 10

#: How many defects are kept: behind as many, a file is something else altogether, and not read on.
KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Defect:
    """One defective row.

    Attributes:
        line: its physical line in the file, from 1 (the header).
        row: its place among the data rows, from 0.
        kind: what sort of defect it is.
        detail: what is wrong, for people to read.
    """

    line: int
    row: int
    kind: DefectKind
    detail: str


class RowError(ValueError):
    """One row cannot be used; whoever reads the rows turns it into a :class:`Defect`."""

    def __init__(self, kind: DefectKind, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind: DefectKind = kind
        self.detail = detail


class DefectiveRowsError(DataError):
    """Rows of a data set are structurally broken.

    Attributes:
        origin: the file, for people to read.
        defects: the defective rows in file order, one record a row (its first defect), at most
            :data:`KEPT`.
        total: how many rows are defective.
        advice: what to do.
    """

    def __init__(self, origin: str, defects: Sequence[Defect], total: int, advice: str) -> None:
        # The arguments stay as they are (the message is made in __str__), so the error survives
        # pickling on its way out of a worker process.
        place = f"{origin}:{defects[0].line}" if defects else origin
        super().__init__(code="defective_rows", where=place)
        self.args = (origin, defects, total, advice)
        self.origin = origin
        self.defects = tuple(defects)
        self.total = total
        self.advice = advice

    def __str__(self) -> str:
        count = "1 row is" if self.total == 1 else f"{self.total:,} rows are"
        lines = [f"{self.origin}: {count} defective:"]
        lines += [f"  line {d.line}: {d.detail}" for d in self.defects[:LISTED]]
        if self.total > LISTED:
            lines.append(f"  ... and {self.total - LISTED:,} more")
        return "\n".join([*lines, self.advice])
