"""Count exact and near copies within and between splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fer.data.check.near_duplicates import nearest
from fer.data.check.report import Leak, NearCopy, Tally
from fer.data.issues import Finding
from fer.data.source import SPLITS, Faces


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of a data set.

    Attributes:
        tallies: of :data:`fer.data.check.report.KINDS`.
        groups: the rows of each group of exact copies, in the order of splits.
        near: each face with a near copy, and the nearest one in each split.
        leaks: copies between splits.
    """

    tallies: dict[str, Tally]
    groups: list[list[int]]
    near: list[NearCopy]
    leaks: list[Leak]


def find_copies(faces: Faces, findings: Sequence[Finding], threshold: float) -> Copies:
    """Count exact copies (in the findings of ``Cleaning``) and near copies.

    Two faces are near copies from a correlation of ``threshold`` on.
    """
    table = _Table(faces, findings)
    # Each picture once: a thousand copies of one would be half a million pairs.
    found = nearest(table.images(), table.inside, threshold)
    partner = found.partner[table.picture]
    exact = table.inside[table.picture]
    near = [
        NearCopy(
            int(table.rows[i]),
            SPLITS[table.split[i]],
            int(table.rows[table.first_in(partner[i, s], s)]),
            SPLITS[s],
            round(float(found.correlation[table.picture[i], s]), 4),
        )
        for i, s in np.argwhere(partner >= 0).tolist()
    ]
    elsewhere: npt.NDArray[np.bool_] = np.arange(len(SPLITS)) != table.split[:, None]
    tallies = _exact_tallies(findings) | {
        "near": table.tally(np.any(partner >= 0, axis=1)),
        "near_spanning": table.tally(np.any((partner >= 0) & elsewhere, axis=1)),
    }
    groups = defaultdict[int, list[int]](list)
    for finding in findings:
        if finding.what == "duplicate" and finding.group is not None:
            groups[finding.group].append(finding.row)
    leaks = []
    for split, inside in ((2, (0,)), (2, (0, 1)), (1, (0,))):
        here = table.split == split
        if here.any() and all((table.split == s).any() for s in inside):
            same = exact[here][:, inside].any(axis=1)
            alike = same | (partner[here][:, inside] >= 0).any(axis=1)
            leaks.append(
                Leak(
                    SPLITS[split], tuple(SPLITS[s] for s in inside),
                    int(here.sum()), int(same.sum()), int(alike.sum()),
                )
            )  # fmt: skip
    return Copies(tallies, list(groups.values()), near, leaks)


def _exact_tallies(findings: Sequence[Finding]) -> dict[str, Tally]:
    tallies, seen = {}, set[int]()
    redundant = defaultdict[str, list[int]](list)
    for finding in findings:
        if finding.what == "duplicate" and finding.group is not None:
            if finding.group in seen:
                redundant[finding.split].append(finding.row)
            seen.add(finding.group)
    for kind, what in (("copies", "duplicate"), ("spanning", "spanning"),
                       ("conflicting", "conflict")):  # fmt: skip
        some = [finding for finding in findings if finding.what == what]
        rows = {s: sorted(f.row for f in some if f.split == s) for s in SPLITS}
        tallies[kind] = Tally(rows, len({f.group for f in some}))
    return tallies | {"redundant": Tally({s: sorted(redundant[s]) for s in SPLITS})}


class _Table:
    """All faces of a data set in one row, and which of them are the same picture.

    Attributes:
        rows: int64 ``[N]``.
        split: int64 ``[N]``, positions in :data:`SPLITS`.
        picture: int64 ``[N]``, the number of the picture that each face shows.
        inside: bool ``[P, S]``, which splits each picture is in.
    """

    def __init__(self, faces: Faces, findings: Sequence[Finding]) -> None:
        splits = [faces.splits.get(name) for name in SPLITS]
        self._parts = [split for split in splits if split is not None]
        self.rows = np.concatenate([split.rows for split in self._parts])
        sizes = [0 if split is None else len(split) for split in splits]
        self.split = np.repeat(np.arange(len(SPLITS)), sizes)
        group_of = {f.row: f.group for f in findings if f.what == "duplicate"}
        names = [group_of.get(row, row) for row in self.rows.tolist()]
        _, self._first, self.picture = np.unique(names, return_index=True, return_inverse=True)
        self.inside = np.zeros((len(self._first), len(SPLITS)), dtype=np.bool_)
        self.inside[self.picture, self.split] = True
        self._first_in = np.full(self.inside.shape, -1, dtype=np.int64)
        # Backwards, so that the first face of several stays.
        for i in range(len(self.rows) - 1, -1, -1):
            self._first_in[self.picture[i], self.split[i]] = i

    def images(self) -> npt.NDArray[np.uint8]:
        """Return each picture once."""
        ends = np.cumsum([len(split) for split in self._parts])
        images = np.empty((len(self._first), *self._parts[0].images.shape[1:]), dtype=np.uint8)
        for split, end in zip(self._parts, ends.tolist(), strict=True):
            start = end - len(split)
            here = (self._first >= start) & (self._first < end)
            images[here] = split.images[self._first[here] - start]
        return images

    def first_in(self, picture: int, split: int) -> int:
        """Return the first face of a split that shows a picture."""
        return int(self._first_in[picture, split])

    def tally(self, chosen: npt.NDArray[np.bool_]) -> Tally:
        """Return the tally of the faces where a mask is true."""
        return Tally(
            {
                name: self.rows[chosen & (self.split == i)].tolist()
                for i, name in enumerate(SPLITS)
                if (self.split == i).any()
            }
        )
