"""When what a group showed changed: notices while it happens, turning points in hindsight."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.defaults import WINDOW_SECONDS
from fer.live.aggregation.windows import STEP, Window

Rows = npt.NDArray[np.float64]

#: Seconds whose mean is compared with those before, and how many such means there are before.
_BLOCK: Final = 10.0
_BLOCKS: Final = 12
#: Seconds without anything told after which what was before is forgotten.
_GAP: Final = 10.0
#: How many times further than usual, and how many times further than one face's part of the
#: mean's spread, a move must be. Both chosen so that classes of which nothing changes give at most
#: one notice an hour, whatever their size and however long labels are kept: benchmarks/shifts.py.
FACTOR: Final = 6.0
SPREAD: Final = 1.2
#: Seconds that a time between two turning points lasts at least, and by how much the share of some
#: emotion has to change there.
SHORTEST: Final = 10.0
SMALLEST: Final = 0.1


@dataclass(frozen=True, slots=True)
class Shift:
    """A move of a group's valence.

    Attributes:
        time: the end of the window that showed it, in seconds.
        before: mean valence of up to two minutes before.
        after: that of the last ten seconds.
        threshold: by how much they had to differ.
    """

    time: float
    before: float
    after: float
    threshold: float


class ShiftDetector:
    """Compares the last ten seconds with the two minutes before them.

    The mean valence of the last ten seconds is a shift if it lies further from the mean of the
    twelve means of ten seconds before it than ``max(1.2 / sqrt(faces), 6 s sqrt(1 + 1/12))``: s is
    the standard deviation of those twelve. Means of ten seconds are compared since neighbouring
    windows resemble each other; twelve of them say little of how far they can lie apart where
    labels last, hence the first term. After a shift, after ten seconds of which nothing is told,
    and when other faces are counted, it starts again. It reads what is shown anyway.
    ``seconds`` is the length of a window.
    """

    def __init__(self, seconds: float = WINDOW_SECONDS) -> None:
        self._size = max(1, round(_BLOCK / seconds))
        self._values: deque[float] = deque(maxlen=self._size * (_BLOCKS + 1))
        self._last: Window | None = None

    @property
    def threshold(self) -> float | None:
        """By how much valence has to move now to be told; None while too little is known."""
        blocks = self._blocks()
        if self._last is None or len(blocks) < _BLOCKS:
            return None
        usual = float(blocks.std(ddof=1)) * math.sqrt(1 + 1 / len(blocks))
        return round(max(SPREAD / math.sqrt(self._last.faces), FACTOR * usual), 3)

    def add(self, window: Window) -> Shift | None:
        """Take the next window, and return the shift that it shows, if any."""
        last = self._last
        if last is not None and window.start - last.end > _GAP:
            self._values.clear()
        if window.valence is None:
            return None
        if last is not None and window.generation != last.generation:
            self._values.clear()
        self._last = window
        self._values.append(window.valence)
        threshold = self.threshold
        if threshold is None:
            return None
        recent = list(self._values)[-self._size :]
        before, after = float(self._blocks().mean()), statistics.fmean(recent)
        if abs(after - before) <= threshold:
            return None
        self._values.clear()
        self._values.extend(recent)
        return Shift(window.end, round(before, 2), round(after, 2), threshold)

    def _blocks(self) -> Rows:
        """Return the means of ten seconds each that lie before the last ten, the oldest first."""
        earlier = np.array(self._values)[: -self._size]
        count = len(earlier) // self._size
        rows = earlier[len(earlier) - count * self._size :].reshape(count, self._size)
        return np.asarray(rows.mean(axis=1))


@dataclass(frozen=True, slots=True)
class TurningPoint:
    """A change of what a group showed.

    Attributes:
        time: in seconds since the session began.
        before: mean share of each class from the turning point before.
        after: until the next one.
        valence_before: mean valence likewise, as ``valence_after``; None where it isn't shown.
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
    out. Where other faces are counted than before, nothing is compared. A window lasts ``seconds``.
    """
    shortest = max(1, round(SHORTEST / seconds))
    points = []
    told = [window for window in windows if window.shares is not None]
    for _, same_faces in itertools.groupby(told, key=lambda window: window.generation):
        group = list(same_faces)
        rows = np.array([list((window.shares or {}).values()) for window in group])
        cuts = _cuts(rows, shortest)
        for start, cut, end in zip(cuts, cuts[1:], cuts[2:], strict=False):
            before, after = group[start:cut], group[cut:end]
            points.append(
                TurningPoint(
                    after[0].start, mean_shares(before), mean_shares(after),
                    mean_valence(before), mean_valence(after),
                )
            )  # fmt: skip
    return points


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
        error = squares[end] - squares[starts]
        error -= ((sums[end] - sums[starts]) ** 2).sum(axis=1) / (end - starts)
        total = best[starts] + error + price
        before[end] = starts[int(np.argmin(total))]
        best[end] = total.min()
    cuts = [n]
    while cuts[-1] > 0:
        cuts.append(int(before[cuts[-1]]))
    cuts.reverse()
    # Those that change no share by enough are left out, the smallest first.
    while len(cuts) > 2:
        means = [rows[a:b].mean(axis=0) for a, b in itertools.pairwise(cuts)]
        moves = [float(np.abs(b - a).max()) for a, b in itertools.pairwise(means)]
        least = int(np.argmin(moves))
        if moves[least] >= SMALLEST:
            break
        del cuts[least + 1]
    return cuts


def mean_shares(windows: Sequence[Window]) -> dict[str, float]:
    """Return the mean share of each class over windows that tell it; empty where none does."""
    told = [window.shares for window in windows if window.shares is not None]
    if not told:
        return {}
    return {name: round(float(np.mean([one[name] for one in told])), 3) for name in told[0]}


def mean_valence(windows: Sequence[Window]) -> float | None:
    """Return the mean valence of windows that tell it; None where none does."""
    told = [window.valence for window in windows if window.valence is not None]
    return round(float(np.mean(told)), 2) if told else None
