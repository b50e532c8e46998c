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
from fer.data.issues import Finding
from fer.data.source import DataError, DataNotFoundError, Faces, Split

#: The columns; ``reason`` and ``name`` are for people.
COLUMNS: Final = ("row", "split", "action", "label", "reason", "name")

_FIRST: Final = "# fixes of fer data check for the data with the fingerprint "
_FIRST_LINE: Final = re.compile(rf'"?{_FIRST}(\w+)[",;\s]*')
_AGAIN: Final = "What to do: make it again by fer data check PATH --fix FILE."


@dataclass(frozen=True, slots=True)
class Fix:
    """What is to be done about one face.

    Attributes:
        row: the face's row.
        split: its split, ``train`` or ``val``.
        action: drop it, or give it another label.
        label: the class that it is to have, where it is to be relabelled.
        reason: why, in words.
    """

    row: int
    split: str
    action: Literal["drop", "relabel"]
    label: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fixes:
    """What is to be done about the faces of one data set.

    Attributes:
        fingerprint: of that data set.
        fixes: one a row.
        origin: where they came from, for messages.
    """

    fingerprint: str
    fixes: Sequence[Fix]
    origin: str

    def __call__(self, faces: Faces) -> Faces:
        """Return the faces with these fixes made, each reported among the findings.

        Raises:
            DataError: they were made for other data, or name rows or labels that it lacks.
        """
        if faces.fingerprint != self.fingerprint:
            raise DataError(
                f"{self.origin}: these fixes are for the data with the fingerprint "
                f"{self.fingerprint}, but {faces.origin} has {faces.fingerprint}. Rows mean "
                "nothing in other data: run fer data check on this data (of a folder, with the "
                "same size, fit and share for val)"
            )
        splits, findings = {}, []
        for name, split in faces.splits.items():
            mine = [fix for fix in self.fixes if fix.split == name]
            splits[name] = self._fixed(split, mine, faces) if mine else split
            for fix in mine:
                action: Literal["dropped", "relabelled"]
                action = "dropped" if fix.action == "drop" else "relabelled"
                detail = f"{fix.label} {fix.reason}".strip()
                findings.append(Finding(fix.row, name, "fix", action, detail=detail))
        if lacking := {fix.split for fix in self.fixes} - splits.keys():
            raise DataError(f"{self.origin}: {faces.origin} has no split {lacking.pop()}. {_AGAIN}")
        return replace(faces, splits=splits, findings=(*faces.findings, *findings))

    def _fixed(self, split: Split, fixes: Sequence[Fix], faces: Faces) -> Split:
        position = {row: i for i, row in enumerate(split.rows.tolist())}
        labels = np.array(split.labels)
        targets = None if split.targets is None else np.array(split.targets)
        keep = np.ones(len(split), dtype=np.bool_)
        for fix in fixes:
            if (i := position.get(fix.row)) is None:
                raise DataError(
                    f"{self.origin}: {faces.origin} has no row {fix.row} in its split {fix.split}. "
                    f"{_AGAIN}"
                )
            if fix.action == "drop":
                keep[i] = False
                continue
            if fix.label not in faces.classes:
                raise DataError(
                    f"{self.origin}: row {fix.row} is to be relabelled {fix.label!r}, but the "
                    f"classes of {faces.origin} are {', '.join(faces.classes)}"
                )
            labels[i] = faces.classes.index(fix.label)
            if targets is not None:
                targets[i] = np.eye(len(faces.classes), dtype=np.float32)[labels[i]]
        return replace(split, labels=labels, targets=targets).take(keep)


def write_fixes(path: Path, fixes: Fixes, names: Sequence[str] = ()) -> None:
    """Write fixes as CSV.

    Args:
        path: the file.
        fixes: what to write.
        names: for each row its file, where faces are files.

    Raises:
        OSError: the file cannot be written.
    """
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
        DataError: it is no file of fixes, or a line can't be used.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise DataNotFoundError(f"there are no fixes {path}. {_AGAIN}")
    try:
        first, _, rest = path.read_text(encoding="utf-8-sig").partition("\n")
    except UnicodeDecodeError:
        raise DataError(f"{path} is no file of fixes: it is no UTF-8 text. {_AGAIN}") from None
    if (match := _FIRST_LINE.fullmatch(first.strip())) is None:
        raise DataError(
            f"{path} is no file of fixes: its first line does not name the data that they are for, "
            f"as '{_FIRST}…' does. {_AGAIN}"
        )
    reader = csv.reader(io.StringIO(rest, newline=""))
    header = tuple(name.strip() for name in next(reader, []))
    if header[: len(COLUMNS)] != COLUMNS:
        raise DataError(f"{path}: line 2 is not the header {','.join(COLUMNS)}. {_AGAIN}")
    found: dict[int, Fix] = {}
    for cells in reader:
        if not any(cells):
            continue
        line = f"{path}: line {reader.line_num + 1}"
        fix = _fix(cells, line)
        if fix.row in found:
            raise DataError(f"{line}: row {fix.row} is named a second time; one line a row")
        found[fix.row] = fix
    return Fixes(match[1], tuple(found.values()), str(path))


def _fix(cells: Sequence[str], line: str) -> Fix:
    row, split, action, label, reason = (*map(str.strip, cells), *[""] * len(COLUMNS))[:5]
    if not (row.isascii() and row.isdecimal()):
        raise DataError(f"{line}: {row!r} is no row: a whole number from 0 on")
    if split == "test":
        raise DataError(
            f"{line}: row {row} is in test, which is scored as it is. Fixes are for train and val"
        )
    if split not in ("train", "val"):
        raise DataError(f"{line}: {split!r} is no split: train or val")
    if action == "drop":
        return Fix(int(row), split, "drop", "", reason)
    if action != "relabel":
        raise DataError(f"{line}: {action!r} is no action: drop or relabel")
    if not label:
        raise DataError(f"{line}: row {row} is to be relabelled, but no label is given")
    return Fix(int(row), split, "relabel", label, reason)
