"""When, in hindsight, what a group showed became something else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.live.aggregation.windows import STEP, Window

Rows = npt.NDArray[np.float64]

#: Seconds that a time between two turning points lasts at least.
SHORTEST: Final = 10.0
#: By how much the share of some emotion has to change.
SMALLEST: Final = 0.1


@dataclass(frozen=True, slots=True)
class TurningPoint:
    """A change of what a group showed.

    Attributes:
        time: in seconds since the session began.
        before: mean share of each class from the turning point before.
        after: until the next one.
        valence_before: mean valence likewise; None where it isn't told.
        valence_after: likewise.
    """

    time: float
    before: Mapping[str, float]
    after: Mapping[str, float]
    valence_before: float | None
    valence_after: float | None


def turning_points(windows: Sequence[Window], seconds: float) -> list[TurningPoint]:
    """Return when the shares of the emotions changed for longer than ten seconds.

    The windows are cut into stretches of constant shares so that squared errors plus a price for
    each cut sum to the least (optimal partitioning; Jackson et al. 2005). The price is ``3 s² ln
    n``, s² the variance that the differences of neighbouring windows tell of, summed over the
    classes, which is no less than that of the rounding. Cuts that change no share by 0.1 are left
    out. Where other faces are counted than before, nothing is compared.

    Args:
        windows: of a session, in order.
        seconds: length of a window.
    """
    shortest = max(1, round(SHORTEST / seconds))
    found = []
    told = [one for one in windows if one.shares is not None]
    for _, group in itertools.groupby(told, key=lambda one: one.generation):
        some = list(group)
        rows = np.array([list((one.shares or {}).values()) for one in some])
        cuts = _cuts(rows, shortest)
        for start, cut, end in zip(cuts, cuts[1:], cuts[2:], strict=False):
            found.append(_point(some[start:cut], some[cut:end]))
    return found


def _cuts(rows: Rows, shortest: int) -> list[int]:
    """Return where stretches begin, and the end of the last, of rows ``[n, C]``."""
    n = len(rows)
    if n < 2 * shortest:
        return [0, n]
    noise = float((np.diff(rows, axis=0) ** 2).mean(axis=0).sum() / 2)
    price = 3 * max(noise, rows.shape[1] * STEP**2 / 12) * np.log(n)
    sums = np.vstack([np.zeros(rows.shape[1]), rows.cumsum(axis=0)])
    squares = np.concatenate([[0.0], (rows**2).sum(axis=1).cumsum()])
    best = np.full(n + 1, np.inf)
    best[0] = -price
    before = np.zeros(n + 1, dtype=np.int64)
    for end in range(shortest, n + 1):
        starts = np.arange(0, end - shortest + 1)
        length = end - starts
        error = squares[end] - squares[starts]
        error -= ((sums[end] - sums[starts]) ** 2).sum(axis=1) / length
        total = best[starts] + error + price
        before[end] = starts[int(np.argmin(total))]
        best[end] = total.min()
    cuts = [n]
    while cuts[-1] > 0:
        cuts.append(int(before[cuts[-1]]))
    return _that_matter(rows, cuts[::-1])


def _that_matter(rows: Rows, cuts: list[int]) -> list[int]:
    """Leave out, the smallest first, the cuts that change no share by enough."""
    while len(cuts) > 2:
        means = [rows[a:b].mean(axis=0) for a, b in itertools.pairwise(cuts)]
        moves = [float(np.abs(b - a).max()) for a, b in itertools.pairwise(means)]
        least = int(np.argmin(moves))
        if moves[least] >= SMALLEST:
            break
        del cuts[least + 1]
    return cuts


def _point(before: Sequence[Window], after: Sequence[Window]) -> TurningPoint:
    return TurningPoint(
        after[0].start, mean_shares(before), mean_shares(after),
        mean_valence(before), mean_valence(after),
    )  # fmt: skip


def mean_shares(windows: Sequence[Window]) -> dict[str, float]:
    """Return the mean share of each class over windows that tell it; empty where none does."""
    told = [one.shares for one in windows if one.shares is not None]
    if not told:
        return {}
    return {name: round(float(np.mean([one[name] for one in told])), 3) for name in told[0]}


def mean_valence(windows: Sequence[Window]) -> float | None:
    """Return the mean valence of windows that tell it; None where none does."""
    told = [one.valence for one in windows if one.valence is not None]
    return round(float(np.mean(told)), 2) if told else None
