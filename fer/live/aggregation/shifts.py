"""When a group's valence has moved further than it usually does: the notice on the page."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.live.aggregation.windows import SECONDS, Window

#: Seconds whose mean is held against those before, and how many such means there are before.
_BLOCK: Final = 10.0
_BLOCKS: Final = 12
#: Seconds without anything told after which what was before is forgotten.
_GAP: Final = 10.0
#: How many times further than usual, and how many times further than one face's part of the
#: mean's spread, a move must be. Both chosen so that classes of which nothing changes give at most
#: one notice an hour, whatever their size and however long labels are kept: benchmarks/shifts.py.
FACTOR: Final = 6.0
SPREAD: Final = 1.2


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
    """Holds the last ten seconds against the two minutes before them.

    The mean valence of the last ten seconds is a shift if it lies further from the mean of the
    twelve means of ten seconds before it than ``max(1.2 / sqrt(faces), 6 s sqrt(1 + 1/12))``: s is
    the standard deviation of those twelve. Means of ten seconds are compared since neighbouring
    windows resemble each other; twelve of them say little of how far they can lie apart where
    labels last, hence the first term. After a shift, after ten seconds of which nothing is told,
    and when other faces are counted, it begins anew. It reads what is told anyway.

    Args:
        seconds: length of a window.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
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

    def _blocks(self) -> npt.NDArray[np.float64]:
        """Return the means of ten seconds each that lie before the last ten, the oldest first."""
        earlier = np.array(self._values)[: -self._size]
        count = len(earlier) // self._size
        rows = earlier[len(earlier) - count * self._size :].reshape(count, self._size)
        return np.asarray(rows.mean(axis=1))
