"""When a group's valence has moved further than it usually does: the notice on the page."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass
from typing import Final

from fer.live.aggregation.windows import SECONDS, Window

#: Seconds whose mean is held against those before, how many such means there are before, and how
#: many there must be at least.
_BLOCK: Final = 10.0
_BLOCKS: Final = 12
_ENOUGH: Final = 6
#: How many times further than usual, and the least move that is told, in valence.
FACTOR: Final = 3.0
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


class ShiftWatch:
    """Holds the last ten seconds against the two minutes before them.

    The mean valence of the last ten seconds is a shift if it lies further from the mean of the
    means of ten seconds each before it than ``max(0.1, 3 s sqrt(1 + 1/n))``: s is the standard
    deviation of those n means, 6 to 12 of them. Means of ten seconds are compared with each other
    since neighbouring windows resemble each other. After a shift, and when other faces are counted,
    it begins anew. It reads what is told anyway.

    Args:
        seconds: length of a window.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._size = max(1, round(_BLOCK / seconds))
        self._values: deque[float] = deque(maxlen=self._size * (_BLOCKS + 1))
        self._generation = -1

    @property
    def threshold(self) -> float | None:
        """By how much valence has to move now to be told; None while too little is known."""
        blocks = self._blocks()
        if len(blocks) < _ENOUGH:
            return None
        usual = statistics.stdev(blocks) * math.sqrt(1 + 1 / len(blocks))
        return round(max(SMALLEST, FACTOR * usual), 3)

    def add(self, window: Window) -> Shift | None:
        """Take the next window, and return the shift that it shows, if any."""
        if window.valence is None:
            return None
        if window.generation != self._generation:
            self._values.clear()
            self._generation = window.generation
        self._values.append(window.valence)
        threshold = self.threshold
        if threshold is None:
            return None
        before = statistics.fmean(self._blocks())
        after = statistics.fmean(list(self._values)[-self._size :])
        if abs(after - before) <= threshold:
            return None
        recent = list(self._values)[-self._size :]
        self._values.clear()
        self._values.extend(recent)
        return Shift(window.end, round(before, 2), round(after, 2), threshold)

    def _blocks(self) -> list[float]:
        """Return the means of ten seconds each that lie before the last ten, the newest first."""
        earlier = list(self._values)[: -self._size]
        ends = range(len(earlier), self._size - 1, -self._size)
        return [statistics.fmean(earlier[end - self._size : end]) for end in ends]
