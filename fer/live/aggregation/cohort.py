"""Who is counted in what is told about a group, so that no single face can be worked out.

Whoever sees all windows knows sums over groups of faces, and their differences. Six faces in one
window and the five that stay in the next would give the sixth away. Here a window's emotions are
therefore means over a *cohort* that only changes in blocks:

1. A cohort is made of blocks of ``least`` faces, or twice as many, and so on. It is the same in all
   windows until such a block joins, or as many have left. All sums that are ever told are then sums
   of such blocks, and so is whatever can be added up or subtracted from them.
2. A member that can't be read in a window counts with its last values: leaving shows in no number.
3. A window is told only if at least ``least`` members are read in it, else a change would be that
   of a few faces; and a third of all, else it would be mostly of the past.
4. Of six faces, five are drawn by lot, which nobody is told. Names of faces are lost when these
   leave the picture, so that the same people may come back as others; but no two of the sums that
   can be made differ by fewer than ``least`` faces in size. A cohort of others is only begun from
   as many faces as one before, or from at least ``least`` more or fewer: not from six, then five.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np

from fer.live.aggregation.measures import Values

#: Faces below which nothing is told, where nobody asks for more.
MIN_GROUP: Final = 5
#: The fewest that can be asked for: of two, each would know the other.
LEAST: Final = 3
#: Windows that newcomers are waited for, so that a cohort is not drawn while people sit down.
SETTLE: Final = 3


@dataclass(frozen=True, slots=True)
class Group:
    """What may be told of a window.

    Attributes:
        mean: of the members' rows, see :class:`~fer.live.aggregation.measures.Measures`.
        size: how many members there are.
        read: how many of them were read in this window; the others count with their last values.
        generation: how often most of the cohort was replaced: means of one can be compared.
    """

    mean: Values
    size: int
    read: int
    generation: int


class Cohort:
    """Decides whose values are told together.

    Args:
        least: faces of a block, at least :data:`LEAST`.
        settle: windows that newcomers are waited for.
        lot: draws members; tests give one that repeats itself.

    Raises:
        ValueError: ``least`` is too small.
    """

    def __init__(
        self, least: int = MIN_GROUP, *, settle: int = SETTLE, lot: Random | None = None
    ) -> None:
        if least < LEAST:
            raise ValueError(f"a group must have at least {LEAST} faces, not {least}")
        self.least = least
        self._settle = settle
        self._lot = lot or secrets.SystemRandom()
        self._last: dict[str, Values] = {}
        self._blocks: list[set[str]] = []
        self._retired: set[str] = set()
        self._begun_from: set[int] = set()
        self._waited = self._broken = self._generation = 0
        self._base: set[str] = set()

    @property
    def members(self) -> frozenset[str]:
        """The names of those who are counted now."""
        return frozenset(self._last)

    def step(self, read: Mapping[str, Values], alive: Collection[str]) -> Group | None:
        """Take what one window showed, and return what may be told of it.

        Args:
            read: the row of each face that was read in the window, by its track.
            alive: the tracks that may still be seen again.

        Returns:
            None where nothing may be told.
        """
        for name in self._last.keys() & read.keys():
            self._last[name] = read[name]
        self._retired &= set(alive)
        fresh = sorted(read.keys() - self._last.keys() - self._retired)
        self._waited = self._waited + 1 if len(fresh) >= self.least else 0
        joining = fresh if self._waited >= self._settle else []
        self._change(joining, read, alive)
        if not self._is_told(read) and self._last:
            self._broken += 1
            if self._broken >= self._settle:
                self._start_anew(joining, read, alive)
        if not self._is_told(read):
            return None
        self._broken = 0
        mean = np.mean(np.stack(list(self._last.values())), axis=0)
        return Group(mean, len(self._last), len(self._last.keys() & read.keys()), self._generation)

    def _is_told(self, read: Mapping[str, Values]) -> bool:
        now = len(self._last.keys() & read.keys())
        return now >= self.least and 3 * now >= len(self._last)

    def _change(
        self, joining: Sequence[str], read: Mapping[str, Values], alive: Collection[str]
    ) -> None:
        """Let whole blocks of those leave who are gone for good, and whole blocks join."""
        for block in self._blocks:
            gone = sorted(block.difference(alive))
            leaving = self._drawn(gone, len(gone))
            block.difference_update(leaving)
            for name in leaving:
                del self._last[name]
        self._blocks = [block for block in self._blocks if block]
        count = len(joining) if self._last else self._beginning(len(joining))
        joined = self._drawn(joining, count)
        if joined:
            self._blocks.append(joined)
            self._last |= {name: read[name] for name in joined}
            self._waited = 0
        self._count_generation()

    def _drawn(self, names: Sequence[str], most: int) -> set[str]:
        """Return as many as make whole blocks, by lot."""
        return set(self._lot.sample(list(names), most - most % self.least))

    def _beginning(self, count: int) -> int:
        """Return from how many of some faces a cohort may begin; zero: from none."""
        for size in range(count, self.least - 1, -1):
            if all(size == one or abs(size - one) >= self.least for one in self._begun_from):
                self._begun_from.add(size)
                return size
        return 0

    def _count_generation(self) -> None:
        members = set(self._last)
        if 2 * len(members & self._base) < max(len(members), len(self._base)):
            self._base = members
            self._generation += 1

    def _start_anew(
        self, joining: Sequence[str], read: Mapping[str, Values], alive: Collection[str]
    ) -> None:
        """Take a cohort of newcomers in place of one of which too few are left."""
        joining = [name for name in joining if name not in self._last]
        if len(joining) < self.least or not self._beginning(len(joining)):
            return
        self._retired |= self._last.keys() & set(alive)
        self._last, self._blocks = {}, []
        self._change(joining, read, alive)
