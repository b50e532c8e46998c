"""Who is counted in what is told about a group, so that no single face can be worked out.

Whoever sees all windows knows sums over groups of faces, and their differences. Six faces in one
window and the five that stay in the next would give the sixth away. And names of faces are lost
when these leave the picture, so that the same people come back as others: what keeps names apart
does not keep people apart. Here a window's emotions are therefore means over a *cohort*:

1. A cohort is drawn at once, by lot, from faces that are in one picture: nobody is in it twice. It
   has ``least`` faces, or twice as many, and so on, and stays the same until the next draw. A
   member that can't be read in a window counts with its last values: leaving shows in no number.
2. A window is told only if at least ``least`` members are read in it, else a change would be that
   of a few faces; and a third of all, else it would be mostly of the past.
3. A draw is *recent* until ``least`` of the values last told of it are older than ``REST`` seconds:
   until then they may still hold. A value that another recent draw was told with as well, at most
   ``REST`` seconds before or after, is not counted among those: it cancels. Of recent draws, no two
   have as many faces, nor is one as large as any sum or difference of others. Sizes are multiples
   of ``least``, so that whatever is added or subtracted is about ``least`` people at least, whoever
   is exchanged, comes or goes. While only such shared values are old, nothing is told.
4. In the whole session, a cohort is drawn only from as many faces as one before, or from at least
   ``least`` more or fewer: not from five, then six. Others wait.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Final

import numpy as np

from fer.core.defaults import LEAST_GROUP, MIN_GROUP
from fer.live.aggregation.measures import Values

#: Windows that a draw waits, so that none is made while people sit down.
SETTLE: Final = 3
#: Seconds for which a value that was told may still hold.
REST: Final = 120.0


@dataclass(frozen=True, slots=True)
class Group:
    """What may be told of a window.

    Attributes:
        mean: of the members' rows, see :class:`~fer.live.aggregation.measures.Measures`.
        read: how many of them were read in this window; the others count with their last values.
        generation: how often most of the cohort was replaced: means of one can be compared.
    """

    mean: Values
    size: int
    read: int
    generation: int


# Two draws are never equal, whatever was told of them.
@dataclass(slots=True, eq=False)
class _Draw:
    """From how many faces a cohort was drawn, its size, and when each value told of it was read."""

    pool: int
    size: int
    told: dict[str, float] = field(default_factory=dict)

    def old(self, time: float) -> set[str]:
        return {name for name, at in self.told.items() if time - at >= REST}

    def shared(self, others: Collection[_Draw]) -> set[str]:
        """Return whose values others were told with too: a difference lacks them."""
        others = [draw for draw in others if draw is not self]
        return {
            name
            for name, at in self.told.items()
            if any(abs(draw.told.get(name, -inf) - at) < REST for draw in others)
        }


class Cohort:
    """Decides whose values are shown together: ``least`` faces or more, ``settle`` windows late."""

    def __init__(
        self, least: int = MIN_GROUP, *, settle: int = SETTLE, lot: Random | None = None
    ) -> None:
        if least < LEAST_GROUP:
            raise ValueError(f"a group must have at least {LEAST_GROUP} faces, not {least}")
        self.least = least
        self._settle = settle
        self._lot = lot or secrets.SystemRandom()
        self._last: dict[str, Values] = {}
        self._read_at: dict[str, float] = {}
        self._recent: list[_Draw] = []
        self._pools: set[int] = set()
        self._now = _Draw(0, 0)
        self._waited = self._generation = 0
        self._base: set[str] = set()

    @property
    def members(self) -> frozenset[str]:
        """The names of those who are counted now."""
        return frozenset(self._last)

    def step(
        self, read: Mapping[str, Values], together: Collection[str], time: float
    ) -> Group | None:
        """Take what one window showed, and return what may be shown of it, if anything.

        Args:
            read: the row of each face that was read in the window, by its track.
            together: the tracks of one frame of the window, which are as many people.
            time: when the window ended, in seconds.
        """
        for name in self._last.keys() & read.keys():
            self._last[name], self._read_at[name] = read[name], time
        self._forget(time)
        pool = sorted(read.keys() & set(together))
        self._waited = self._waited + 1 if self._is_wanted(pool, read) else 0
        if self._waited >= self._settle and self._is_allowed(len(pool)):
            self._draw(pool, read, time)
        if not self._is_told(read) or self._is_half_told(time):
            return None
        self._now.told = dict(self._read_at)
        mean = np.mean(np.stack(list(self._last.values())), axis=0)
        return Group(mean, len(self._last), len(self._last.keys() & read.keys()), self._generation)

    def _forget(self, time: float) -> None:
        """Keep the draws that are recent. What is told now may have become so again."""
        draws = [draw for draw in self._recent if draw is not self._now] + [self._now]
        count = -1
        while count != len(draws):
            count = len(draws)
            draws = [d for d in draws if len(d.old(time) - d.shared(draws)) < self.least]
        self._recent = draws

    def _is_half_told(self, time: float) -> bool:
        """Return True if an earlier draw gives away the old values, so the sum of the others."""
        old = sum(time - at >= REST for at in self._read_at.values())
        return self._now in self._recent and old >= self.least

    def _is_told(self, read: Mapping[str, Values]) -> bool:
        now = len(self._last.keys() & read.keys())
        return now >= self.least and 3 * now >= len(self._last)

    def _is_wanted(self, pool: Sequence[str], read: Mapping[str, Values]) -> bool:
        """Return True if the cohort is of the past, or there are many more faces."""
        if len(pool) < self.least:
            return False
        is_past = self._now not in self._recent or not self._is_told(read)
        return is_past or len(pool) - self._now.pool >= self.least

    def _is_allowed(self, pool: int) -> bool:
        """Return True if a cohort from so many faces can be compared with no other."""
        if any(0 < abs(pool - earlier) < self.least for earlier in self._pools):
            return False
        sums = {0}
        for draw in self._recent:
            sums |= {total + size for total in sums for size in (draw.size, -draw.size)}
        return self._size(pool) not in sums

    def _size(self, pool: int) -> int:
        return pool - pool % self.least

    def _draw(self, pool: Sequence[str], read: Mapping[str, Values], time: float) -> None:
        """Take another cohort: those who were in it first, of the others whom the lot falls on."""
        size = self._size(len(pool))
        kept = [name for name in pool if name in self._last]
        fresh = [name for name in pool if name not in self._last]
        kept = self._lot.sample(kept, min(size, len(kept)))
        drawn = kept + self._lot.sample(fresh, size - len(kept))
        self._last = {name: read[name] for name in drawn}
        self._read_at = dict.fromkeys(drawn, time)
        self._now = _Draw(len(pool), size)
        self._recent.append(self._now)
        self._pools.add(len(pool))
        self._waited = 0
        if 2 * len(self._base.intersection(drawn)) < max(size, len(self._base)):
            self._base = set(drawn)
            self._generation += 1
