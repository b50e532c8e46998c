"""Check a data set: everything that can be wrong with it, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from fer.core.defaults import NEAR_CORRELATION
from fer.data.check.copies import find_copies
from fer.data.check.label_errors import find_label_errors
from fer.data.check.report import FEW_VALUES, FLAT_SHARE, LabelErrors, Report, Tally, percent
from fer.data.check.votes import SplitVotes, agreement, unusable
from fer.data.cleaning.clean import Cleaning
from fer.data.issues import Finding
from fer.data.source import SPLITS, Faces

#: How far the grey values around a pixel may differ where it is flat.
_FLAT: Final = 6


def check(
    faces: Faces,
    source: str,
    *,
    near: float = NEAR_CORRELATION,
    label_errors: bool = False,
    crowd: SplitVotes | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Return what is wrong with a data set.

    Args:
        source: the choice of ``data=`` that reads it.
        near: the correlation from which on two faces are near copies.
        label_errors: look for likely label errors too; it takes minutes and cleanlab.
        notes: further notes for the report.

    Raises:
        DataError: a class has too few faces for the search for label errors.
    """
    notes = [*faces.notes, *notes]
    findings = Cleaning("keep", "keep", "keep")(faces).findings
    copies = find_copies(faces, findings, near)
    tallies = _pictures(faces) | copies.tallies
    tallies["constant"] = _found(
        findings, "blank", [name for name in SPLITS if name in faces.splits]
    )
    tallies["defective"] = _found(findings, "defect", [*SPLITS, ""])
    errors = None
    if label_errors:
        pictures = {
            f.row: f.group for f in findings if f.what == "duplicate" and f.group is not None
        }
        errors = find_label_errors(faces, pictures)
        tallies["label_errors"] = _label_errors(errors)
        notes = [*notes, _doubt(faces, errors, crowd)]
    if crowd is not None:
        tallies |= unusable(faces, crowd)
    size = next(iter(faces.splits.values())).images.shape[1:]
    return Report(
        origin=faces.origin,
        source=source,
        fingerprint=faces.fingerprint,
        size=(size[0], size[1]),
        classes=faces.classes,
        counts={name: _counts(faces, name) for name in SPLITS if name in faces.splits},
        tallies=tallies,
        groups=copies.groups,
        near_copies=copies.near,
        leaks=copies.leaks,
        label_errors=errors,
        agreement=agreement(faces, crowd) if crowd is not None else None,
        notes=tuple(notes),
        near=near,
        names=faces.names,
    )


def _pictures(faces: Faces) -> dict[str, Tally]:
    blank: dict[str, list[int]] = {}
    placeholders: dict[str, list[int]] = {}
    for name, split in faces.splits.items():
        few: npt.NDArray[np.bool_] = grey_values(split.images) <= FEW_VALUES
        flat = (flat_share(split.images) >= FLAT_SHARE) & ~few
        blank[name], placeholders[name] = split.rows[few].tolist(), split.rows[flat].tolist()
    return {"few_values": Tally(blank), "placeholders": Tally(placeholders)}


def _found(findings: Sequence[Finding], what: str, splits: Sequence[str]) -> Tally:
    rows = {s: [f.row for f in findings if f.what == what and f.split == s] for s in splits}
    return Tally({split: some for split, some in rows.items() if some or split})


def _label_errors(errors: LabelErrors) -> Tally:
    rows: Mapping[str, list[int]] = {name: [] for name in errors.accuracy}
    for error in errors.errors:
        rows[error.split].append(error.row)
    return Tally({name: sorted(some) for name, some in rows.items()})


def _doubt(faces: Faces, errors: LabelErrors, crowd: SplitVotes | None) -> str:
    """Return in words how far likely label errors can be believed."""
    shares = ", ".join(f"{100 * share:.1f} % of {name}" for name, share in errors.accuracy.items())
    text = f"label errors: found by a small classifier that agrees with the labels on {shares}."
    if crowd is None:
        return text
    train = faces.splits["train"]
    clear = crowd.verdicts["train"].reasons == ""
    against = clear & (crowd.answers["train"] != train.labels)
    rows = [error.row for error in errors.errors if error.split == "train"]
    named: npt.NDArray[np.bool_] = np.isin(train.rows, rows)
    return (
        f"{text}\nWhere FER+'s crowd is clear, it contradicts "
        f"{percent(int((against & named).sum()), int((clear & named).sum()))} of those in train, "
        f"and {percent(int(against.sum()), int(clear.sum()))} of all labels there."
    )


def _counts(faces: Faces, name: str) -> dict[str, int]:
    counts = np.bincount(faces.splits[name].labels, minlength=len(faces.classes))
    return dict(zip(faces.classes, counts.tolist(), strict=True))


def grey_values(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return how many different grey values each picture has, int64 ``[N]``.

    Example:
        >>> grey_values(np.zeros((2, 4, 4), dtype=np.uint8)).tolist()
        [1, 1]
    """
    return np.array([len(np.unique(image)) for image in images], dtype=np.int64)


def flat_share(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the share of each picture whose surroundings of 3×3 pixels hardly differ.

    Warning signs, "image not available" and the like are flat but for a few sharp edges; skin,
    hair and clothes are not. A face before a plain wall reaches about half.

    Returns:
        float64 ``[N]``, 0 to 1.
    """
    around = np.ones((3, 3), dtype=np.uint8)
    ranges = (cv2.subtract(cv2.dilate(i, around), cv2.erode(i, around)) for i in images)
    return np.array([np.mean(one <= _FLAT) for one in ranges], dtype=np.float64)
