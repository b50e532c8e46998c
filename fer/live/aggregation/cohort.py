"""Who is counted in what is told about a group, so that no single face can be worked out.

Whoever sees all windows knows sums over groups of faces, and their differences. Six faces in one
window and the five that stay in the next would give the sixth away. Here a window's emotions are
therefore means over a *cohort* that only changes in blocks:

1. A cohort is a set of at least ``least`` faces. It is the same in all windows until a block of at
   least ``least`` faces joins, or at least so many have left and at least so many remain of those
   that had been told together with them. All sums that are ever told are then sums of blocks of at
   least ``least`` faces, and so is whatever can be added up or subtracted from them.
2. A member that can't be read in a window counts with its last values: leaving shows in no number.
3. A window is told only if at least ``least`` members are read in it, else a change would be that
   of a few faces; and a third of all, else it would be mostly of the past.
4. The sizes of any two cohorts of a session are the same or differ by at least ``least``. Names of
   faces are lost when these leave the picture, so that the same people may come back as others;
   sums over six of them and then over five are not told even so. Where a size does not do, a cohort
   of one that does is drawn by lot.
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
        self._sizes: set[int] = set()
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
        self._change(self._leaving(alive), joining, read)
        if not self._is_told(read) and self._last:
            self._broken += 1
            if self._broken >= self._settle:
                self._start_anew(joining, read, alive)
        if not self._is_told(read):
            return None
        self._broken = 0
        self._sizes.add(len(self._last))
        mean = np.mean(np.stack(list(self._last.values())), axis=0)
        return Group(mean, len(self._last), len(self._last.keys() & read.keys()), self._generation)

    def _is_told(self, read: Mapping[str, Values]) -> bool:
        now = len(self._last.keys() & read.keys())
        return now >= self.least and 3 * now >= len(self._last)

    def _leaving(self, alive: Collection[str]) -> set[str]:
        """Return who is gone for good and may be left out: blocks that stay large enough."""
        found: set[str] = set()
        for block in self._blocks:
            gone = block.difference(alive)
            if gone == block or min(len(gone), len(block) - len(gone)) >= self.least:
                found |= gone
        return found

    def _change(
        self, leaving: set[str], joining: Sequence[str], read: Mapping[str, Values]
    ) -> None:
        """Let as many join and leave as the sizes of a session allow."""
        counts = [0, *range(self.least, len(joining) + 1)]
        choices = [
            (joined, left)
            for joined in reversed(counts)
            for left in sorted({0, len(leaving)}, reverse=True)
            if joined + left and self._may_have(len(self._last) - left + joined)
        ]
        if not choices:
            return
        joined, left = choices[0]
        if left:
            self._last = {k: v for k, v in self._last.items() if k not in leaving}
            self._blocks = [rest for block in self._blocks if (rest := block - leaving)]
        if joined:
            chosen = self._lot.sample(list(joining), joined)
            self._blocks.append(set(chosen))
            self._last |= {name: read[name] for name in chosen}
            self._waited = 0
        members = set(self._last)
        if 2 * len(members & self._base) < max(len(members), len(self._base)):
            self._base = members
            self._generation += 1

    def _may_have(self, size: int) -> bool:
        return size == 0 or (
            size >= self.least
            and all(size == one or abs(size - one) >= self.least for one in self._sizes)
        )

    def _start_anew(
        self, joining: Sequence[str], read: Mapping[str, Values], alive: Collection[str]
    ) -> None:
        """Take a cohort of newcomers in place of one of which too few are left."""
        joining = [name for name in joining if name not in self._last]
        if not any(self._may_have(n) for n in range(self.least, len(joining) + 1)):
            return
        self._retired |= self._last.keys() & set(alive)
        self._last, self._blocks = {}, []
        self._change(set(), joining, read)
