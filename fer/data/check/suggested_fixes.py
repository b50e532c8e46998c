"""Suggest what to drop and what to relabel, so that train and val can be trusted.

No label of one split decides over another, and the test split stays as it is. What is suggested:

- blank pictures, placeholders and what FER+'s people left out as no face are dropped;
- copies in one split with different labels get the majority's label, or are dropped where there is
  none; of copies, one stays;
- faces of ``train`` with an exact or near copy in ``val`` or ``test``, and of ``val`` with one in
  ``test``, are dropped;
- of likely label errors, as many of ``train`` are dropped as the user asks for, none by default: on
  FER2013, FER+'s crowd contradicts but half of them, and without them a third of ``train`` is gone.
  ``val`` would only look easier without its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fer.data.check.report import Report
from fer.data.cleaning.clean import Cleaning
from fer.data.cleaning.fixes import Fix, Fixes
from fer.data.source import SPLITS, Faces

_UNUSABLE = {
    "few_values": "blank",
    "placeholders": "likely a placeholder",
    "unnamed": "left out by FER+",
    "no_face": "no face, says FER+",
}
_COPIES = {
    "conflict": "copies with different labels",
    "spanning": "exact copy in a later split",
    "duplicate": "exact copy in the same split",
}


def suggest_fixes(faces: Faces, report: Report, label_errors: int = 0) -> Fixes:
    """Return what to do about the faces of ``train`` and ``val``, in the order of their rows.

    Args:
        label_errors: how many of the likely label errors of ``train`` to drop, the likeliest first.
    """
    found: dict[int, Fix] = {}
    for fix in (*_unusable(report), *_near(report)):
        found.setdefault(fix.row, fix)
    for fix in _copies(_without(faces, found)):
        found.setdefault(fix.row, fix)
    errors = report.label_errors.errors if report.label_errors else ()
    for error in [error for error in errors if error.split == "train"][:label_errors]:
        reason = f"label {error.label} is likely wrong; {error.likely} is likelier"
        found.setdefault(error.row, Fix(error.row, "train", "drop", "", reason))
    return Fixes(report.fingerprint, tuple(found[row] for row in sorted(found)), report.origin)


def _unusable(report: Report) -> Iterator[Fix]:
    for kind, reason in _UNUSABLE.items():
        for split in ("train", "val"):
            tally = report.tallies.get(kind)
            for row in tally.rows.get(split, ()) if tally else ():
                yield Fix(row, split, "drop", "", reason)


def _near(report: Report) -> Iterator[Fix]:
    for copy in report.near_copies:
        if SPLITS.index(copy.split) < SPLITS.index(copy.other_split):
            reason = f"near copy of row {copy.other_row} in {copy.other_split}"
            yield Fix(copy.row, copy.split, "drop", "", reason)


def _copies(faces: Faces) -> Iterator[Fix]:
    findings = Cleaning("keep", "both", "majority")(replace(faces, findings=())).findings
    # A face that took the majority's label may still be one copy too many: that counts.
    dropped = [finding for finding in findings if finding.action == "dropped"]
    for what, reason in _COPIES.items():
        for finding in dropped:
            if finding.what == what:
                yield Fix(finding.row, finding.split, "drop", "", reason)
    settled = Cleaning("keep", "keep", "majority")(replace(faces, findings=()))
    label_of = {
        row: settled.classes[label]
        for split in settled.splits.values()
        for row, label in zip(split.rows.tolist(), split.labels.tolist(), strict=True)
    }
    for finding in findings:
        if finding.action == "relabelled":
            label = label_of[finding.row]
            yield Fix(finding.row, finding.split, "relabel", label, _COPIES["conflict"])


def _without(faces: Faces, fixes: dict[int, Fix]) -> Faces:
    rows = np.array(list(fixes), dtype=np.int64)
    return replace(
        faces,
        splits={
            name: split.take(~np.isin(split.rows, rows)) for name, split in faces.splits.items()
        },
    )
