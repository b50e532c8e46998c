"""Fixes: rows to drop or relabel, as ``fer data check --fix`` suggests and ``data.clean`` applies.

A file of fixes is CSV, so that people can read it, strike out lines and add their own. Its first
line names the data that it was made for: rows mean nothing elsewhere. The test split, which numbers
are stated on, is never changed by one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from fer.core.io import write_text
from fer.data.issues import Action, Finding
from fer.data.source import DataError, DataNotFoundError, Faces, Split

#: The columns; ``reason`` and ``name`` are for people.
COLUMNS: Final = ("row", "split", "action", "label", "reason", "name")

_FIRST: Final = "# fixes of fer data check for the data with the fingerprint "
_FIRST_LINE: Final = re.compile(rf'"?{_FIRST}(\w+)[",;\s]*')
_AGAIN: Final = "What to do: make it again by fer data check PATH --fix FILE."


@dataclass(frozen=True, slots=True)
class Fix:
    """Drop one face of ``train`` or ``val``, or give it another label (a class name)."""

    row: int
    split: str
    action: Literal["drop", "relabel"]
    label: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fixes:
    """Fixes for the data set with a fingerprint, at most one per row; messages name ``origin``."""

    fingerprint: str
    fixes: Sequence[Fix]
    origin: str

    def __call__(self, faces: Faces) -> Faces:
        """Return the faces with these fixes made, each reported among the findings.

        Raises:
            DataError: they were made for other data, or name rows or labels that it lacks.
        """
        if faces.fingerprint != self.fingerprint:
            raise self._error(
                f"these fixes are for the data with the fingerprint {self.fingerprint}, but "
                f"{faces.origin} has {faces.fingerprint}. Rows mean nothing in other data: run fer "
                "data check on this data (of a folder, with the same size, fit and share for val)",
                "fixes_of_other_data",
            )
        splits, findings = {}, []
        for name, split in faces.splits.items():
            mine = [fix for fix in self.fixes if fix.split == name]
            splits[name] = self._fixed(split, mine, faces) if mine else split
            for fix in mine:
                action: Action = "dropped" if fix.action == "drop" else "relabelled"
                detail = f"{fix.label} {fix.reason}".strip()
                findings.append(Finding(fix.row, name, "fix", action, detail=detail))
        if lacking := {fix.split for fix in self.fixes} - splits.keys():
            raise self._error(
                f"{faces.origin} has no split {lacking.pop()}. {_AGAIN}", "unknown_split"
            )
        return replace(faces, splits=splits, findings=(*faces.findings, *findings))

    def _fixed(self, split: Split, fixes: Sequence[Fix], faces: Faces) -> Split:
        position = {row: i for i, row in enumerate(split.rows.tolist())}
        labels = np.array(split.labels)
        targets = None if split.targets is None else np.array(split.targets)
        keep = np.ones(len(split), dtype=np.bool_)
        for fix in fixes:
            if (i := position.get(fix.row)) is None:
                raise self._error(
                    f"{faces.origin} has no row {fix.row} in its split {fix.split}. {_AGAIN}",
                    "unknown_row",
                )
            if fix.action == "drop":
                keep[i] = False
                continue
            if fix.label not in faces.classes:
                raise self._error(
                    f"row {fix.row} is to be relabelled {fix.label!r}, but the classes of "
                    f"{faces.origin} are {', '.join(faces.classes)}",
                    "unknown_label",
                )
            labels[i] = faces.classes.index(fix.label)
            if targets is not None:
                targets[i] = np.eye(len(faces.classes), dtype=np.float32)[labels[i]]
        return replace(split, labels=labels, targets=targets).take(keep)

    def _error(self, text: str, code: str) -> DataError:
        return DataError(f"{self.origin}: {text}", code=code, where=self.origin)


def write_fixes(path: Path, fixes: Fixes, names: Sequence[str] = ()) -> None:
    """Write fixes as CSV, with the file of each row from ``names`` where faces are files."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for fix in fixes.fixes:
        name = names[fix.row] if names else ""
        writer.writerow([fix.row, fix.split, fix.action, fix.label, fix.reason, name])
    write_text(path, f"{_FIRST}{fixes.fingerprint}\n{text.getvalue()}")


def read_fixes(path: Path) -> Fixes:
    """Read fixes from CSV.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is not a file of fixes, or a line can't be used.
    """
    if not path.is_file():
        raise DataNotFoundError(f"there are no fixes {path}. {_AGAIN}", code="no_fixes")
    try:
        first, _, rest = path.read_text(encoding="utf-8-sig").partition("\n")
    except UnicodeDecodeError:
        raise _bad(path, 1, f"this is not UTF-8 text. {_AGAIN}") from None
    if (match := _FIRST_LINE.fullmatch(first.strip())) is None:
        raise _bad(path, 1, f"it does not name the data, as '{_FIRST}…' does. {_AGAIN}")
    reader = csv.reader(io.StringIO(rest, newline=""))
    header = tuple(name.strip() for name in next(reader, []))
    if header[: len(COLUMNS)] != COLUMNS:
        raise _bad(path, 2, f"it is not the header {','.join(COLUMNS)}. {_AGAIN}")
    found: dict[int, Fix] = {}
    for cells in reader:
        if not any(cells):
            continue
        line = reader.line_num + 1
        row, split, action, label, reason = (*map(str.strip, cells), *[""] * len(COLUMNS))[:5]
        if not (row.isascii() and row.isdecimal()):
            raise _bad(path, line, f"{row!r} is not a row: a whole number from 0 on")
        if split == "test":
            raise _bad(path, line, "test is scored as it is: fixes are for train and val")
        if split not in ("train", "val"):
            raise _bad(path, line, f"{split!r} is not a split: train or val")
        if action not in ("drop", "relabel"):
            raise _bad(path, line, f"{action!r} is not an action: drop or relabel")
        if action == "relabel" and not label:
            raise _bad(path, line, f"row {row} is to be relabelled, but no label is given")
        if int(row) in found:
            raise _bad(path, line, f"row {row} is named a second time; one line a row")
        label = label if action == "relabel" else ""
        found[int(row)] = Fix(int(row), split, action, label, reason)  # type: ignore[arg-type]
    return Fixes(match[1], tuple(found.values()), str(path))


def _bad(path: Path, line: int, text: str) -> DataError:
    return DataError(f"{path}: line {line}: {text}", code="bad_fixes", where=f"{path}:{line}")
