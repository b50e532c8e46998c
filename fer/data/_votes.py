"""The votes of FER+: read its table, and make a label or a distribution of ten people's votes."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import FERPLUS
from fer.data._csv import USAGES
from fer.data.source import SPLITS, DataError

#: How many bytes a table of votes may have: ten times what FER+'s has.
_LARGEST: Final = 1 << 24
_HEADER: Final = ("Usage", "Image name", *FERPLUS)
_ADVICE: Final = "What to do: take fer2013new.csv from FER+'s repository again (microsoft/FERPlus)."


@dataclass(frozen=True, slots=True)
class Votes:
    """FER+'s table, in its order, which is that of ``fer2013.csv``.

    Attributes:
        splits: N names of :data:`fer.data.source.SPLITS`.
        named: bool ``[N]``; false where FER+ left the picture out.
        counts: int64 ``[N, 10]``, votes in the order of :data:`fer.core.labels.FERPLUS`.
        sha256: of the file.
    """

    splits: npt.NDArray[np.str_]
    named: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.int64]
    sha256: str


def read_votes(path: Path) -> Votes:
    """Read ``fer2013new.csv``.

    Raises:
        DataError: it is another file, or a row is broken.
        OSError: it cannot be read.
    """
    if (size := path.stat().st_size) > _LARGEST:
        raise DataError(f"{path}: {size:,} bytes are more than a table of votes has\n{_ADVICE}")
    data = path.read_bytes()
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    header = tuple(name.strip() for name in next(reader, []))
    if header != _HEADER:
        raise DataError(
            f"{path}: the header is {','.join(header)[:200]!r}, and {','.join(_HEADER)} is "
            f"expected\n{_ADVICE}"
        )
    split_of = dict(zip(USAGES, SPLITS, strict=True))
    splits, named, counts = [], [], []
    for row in reader:
        if not row:
            continue
        try:
            usage, name, *votes = row
            numbers = [int(vote) for vote in votes]
            if len(numbers) != len(FERPLUS) or min(numbers) < 0:
                raise ValueError
            splits.append(split_of[usage.strip()])
        except (ValueError, KeyError):
            raise DataError(
                f"{path}: line {reader.line_num} is not a split, a name and {len(FERPLUS)} numbers "
                f"of votes\n{_ADVICE}"
            ) from None
        named.append(bool(name.strip()))
        counts.append(numbers)
    return Votes(
        np.array(splits, dtype=np.str_),
        np.array(named, dtype=np.bool_),
        np.array(counts, dtype=np.int64).reshape(-1, len(FERPLUS)),
        hashlib.sha256(data).hexdigest(),
    )


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a number of faces' votes come to.

    Attributes:
        labels: int64 ``[N]``: the class with the most votes, the first of equals.
        shares: float32 ``[N, C]``: the share of each class among the votes for any of the classes;
            zeros where no vote is for one.
        reasons: ``N`` texts: why a face has no majority among the classes, one of
            :data:`fer.data.issues.KINDS`; empty where it has one.
    """

    labels: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]
    reasons: npt.NDArray[np.str_]


def judge(
    counts: npt.NDArray[np.int64], named: npt.NDArray[np.bool_], classes: Sequence[str]
) -> Verdicts:
    """Return what votes come to, for the classes in question.

    A majority is a single highest number of votes among all ten columns, for one of the classes.

    Args:
        counts: int ``[N, 10]``, in the order of :data:`fer.core.labels.FERPLUS`.
        named: bool ``[N]``; false where FER+ left the picture out.
        classes: the class names.
    """
    meanings = list(FERPLUS.values())
    ours = counts[:, [meanings.index(name) for name in classes]]
    total = ours.sum(axis=1, keepdims=True)
    highest = counts.max(axis=1, keepdims=True)
    winner = counts.argmax(axis=1)
    is_face = np.array([meaning is not None for meaning in meanings])[winner]
    is_ours = np.array([meaning in classes for meaning in meanings])[winner]
    # Between others, a tie is as good as any of their wins: the picture is none of the classes'.
    is_tied = ((counts == highest).sum(axis=1) > 1) & (ours == highest).any(axis=1)
    reasons = np.select(
        [~named, is_tied, ~is_face, ~is_ours], ["unnamed", "tie", "no face", "contempt"], ""
    )
    shares = np.divide(ours, total, out=np.zeros(ours.shape), where=total > 0)
    return Verdicts(ours.argmax(axis=1), shares.astype(np.float32), reasons)
