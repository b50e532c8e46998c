"""Windows of time, one after the other, and what is told of the group in each."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from fer.core.defaults import WINDOW_SECONDS
from fer.inference import UNCERTAIN
from fer.live.aggregation.capping import EXACT, Range, inside, ranges, round_to_total
from fer.live.aggregation.cohort import Cohort
from fer.live.aggregation.measures import Measures, Values
from fer.live.pipeline import TrackedFace

#: Steps in which shares, and all other means, are told: finer ones would show parts of a face.
STEP: Final = 0.05
#: Seconds over which volatility looks back.
_LOOK_BACK: Final = 60.0

#: Why nothing is told of a window, in words; ``{least}`` is the group minimum.
WITHHELD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nobody": "no face in sight",
        "few": "fewer than {least} faces could be read",
        "changing": "the group is changing: told again when no single face can be worked out",
    }
)


@dataclass(frozen=True, slots=True)
class Window:
    """What is known of a group in a few seconds.

    Attributes:
        number: which window of the session; those without a frame are left out.
        start: in seconds since the session began, as ``end``.
        faces_median: of the number of faces in sight, as ``faces_max``.
        dwell_seconds: median of how long the faces in sight have been so; zero without any.
        withheld: why no emotion is told, a key of :data:`WITHHELD`; empty where they are.
        faces: how many the emotions are of; zero where they are withheld, as all that follows.
        read: how many of them were read in this window; the others count as last seen.
        generation: windows of one generation are of the same faces, for the most part.
        shares: of each class, which sum to one, in steps of 0.05; of fewer than 20 faces, estimates
            inside ``counts``. None where withheld.
        counts: how many faces show each class at least and at most; None from 20 faces on.
        valence: from -1 to 1, in steps of 0.05; None too where the classes are not the seven. Of
            fewer than 20 faces, of the shares that are told.
        volatility: how much valence moves from window to window.
        confidence: mean probability of the likeliest class, in steps of 0.05; None of fewer than 20
            faces, whose labels it might show.
        index: what was asked for, as valence.
    """

    number: int
    start: float
    end: float
    faces_median: int
    faces_max: int
    dwell_seconds: float
    withheld: str
    faces: int = 0
    read: int = 0
    generation: int = 0
    shares: Mapping[str, float] | None = None
    counts: Mapping[str, Range] | None = None
    valence: float | None = None
    volatility: float | None = None
    confidence: float | None = None
    index: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        told: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        for name in ("shares", "counts"):
            told[name] = None if told[name] is None else dict(told[name])
        return told


class Aggregator:
    """Makes windows of the faces of frames; only the last values of counted ones outlive a window.

    Volatility is the root mean square of successive differences (RMSSD; von Neumann et al. 1941):
    ``sqrt(mean((v[t] - v[t-1])²))`` over the valences told in the last minute, of windows that
    follow each other and can be compared. It is made of what is told, and tells no more.

    Args:
        seconds: length of a window.

    Attributes:
        face_seconds: for which all faces together were in sight.
        tracks: how many there were.
    """

    def __init__(
        self, measures: Measures, *, seconds: float = WINDOW_SECONDS, cohort: Cohort | None = None
    ) -> None:
        if not 0 < seconds < math.inf:
            raise ValueError(f"a window must last longer than 0 seconds, not {seconds}")
        self.measures = measures
        self.seconds = seconds
        self.cohort = Cohort() if cohort is None else cohort
        self.face_seconds, self.tracks = 0.0, 0
        self._number = 0
        self._since: dict[str, float] = {}
        self._last_time: float | None = None
        #: Window, generation and valence of what was told last.
        self._told: deque[tuple[int, int, float]] = deque(
            maxlen=max(2, round(_LOOK_BACK / seconds))
        )
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[str, tuple[Values | float, int]] = {}
        self._counts: list[int] = []
        self._together: set[str] = set()
        self._dwell: list[float] = []

    def add(
        self, time: float, faces: Sequence[TrackedFace], alive: Collection[str]
    ) -> Window | None:
        """Take the faces of the next frame, and return the window that it ended, if any.

        Args:
            time: of the frame, in seconds since the session began.
            alive: the tracks that may still be seen again.
        """
        ended = None
        number = int(time / self.seconds)
        if number > self._number:
            ended = self._end((self._number + 1) * self.seconds)
            self._number = number
        self._count(time, faces, alive)
        for tracked in faces:
            if tracked.face.label != UNCERTAIN:
                total, count = self._rows.get(tracked.track, (0.0, 0))
                self._rows[tracked.track] = (total + self.measures.of(tracked.face), count + 1)
        return ended

    def close(self) -> Window | None:
        """End the last window, which may be short."""
        return self._end(self._last_time or 0.0)

    def _count(self, time: float, faces: Sequence[TrackedFace], alive: Collection[str]) -> None:
        """Count faces, and for how long they are in sight."""
        step = 0.0 if self._last_time is None else time - self._last_time
        # Nobody was in sight during a pause.
        if 0 < step <= self.seconds:
            self.face_seconds += step * len(faces)
        self._last_time = time
        self._counts.append(len(faces))
        names = [tracked.track for tracked in faces]
        if len(names) >= len(self._together):
            self._together = set(names)
        self._since = {name: since for name, since in self._since.items() if name in alive}
        self.tracks += len(set(names) - self._since.keys())
        self._dwell = [time - self._since.setdefault(name, time) for name in names]

    def _end(self, end: float) -> Window | None:
        if not self._counts:
            return None
        read = {name: np.asarray(total) / count for name, (total, count) in self._rows.items()}
        group = self.cohort.step(read, self._together, end)
        seen = (
            self._number,
            round(self._number * self.seconds, 3),
            round(end, 3),
            int(statistics.median_high(self._counts)),
            max(self._counts),
            round(statistics.median(self._dwell), 1) if self._dwell else 0.0,
        )
        few = "few" if max(self._counts) else "nobody"
        self._clear()
        if group is None:
            return Window(*seen, "changing" if len(read) >= self.cohort.least else few)
        measures, mean, counts = self.measures, group.mean, None
        is_exact = group.size >= EXACT
        if is_exact:
            shares = coarse_shares(measures.shares(mean))
        else:
            count_ranges = ranges(measures.shares(mean), group.size)
            counts = dict(zip(measures.classes, count_ranges, strict=True))
            mean = measures.of_shares(inside(count_ranges, group.size))
            shares = [round(float(share), 4) for share in measures.shares(mean)]
        valence = _coarse(measures.valence(mean))
        if valence is not None:
            self._told.append((self._number, group.generation, valence))
        return Window(
            *seen,
            "",
            faces=group.size,
            read=group.read,
            generation=group.generation,
            shares=dict(zip(measures.classes, shares, strict=True)),
            counts=counts,
            valence=valence,
            volatility=self._volatility(),
            confidence=_coarse(measures.confidence(mean)) if is_exact else None,
            index=_coarse(measures.index_of(mean)),
        )

    def _volatility(self) -> float | None:
        steps = [
            (after[2] - before[2]) ** 2
            for before, after in itertools.pairwise(self._told)
            if after[0] == before[0] + 1 and after[1] == before[1]
        ]
        return round(math.sqrt(statistics.fmean(steps)), 3) if len(steps) > 1 else None


def _coarse(value: float | None) -> float | None:
    return None if value is None else round(round(value / STEP) * STEP, 2)


def coarse_shares(shares: Values) -> list[float]:
    """Return shares ``[C]`` in steps of :data:`STEP` that still sum to one (largest remainders).

    Example:
        >>> coarse_shares(np.array([1 / 3, 1 / 3, 1 / 3]))
        [0.35, 0.35, 0.3]
    """
    return [round(steps * STEP, 2) for steps in round_to_total(shares / STEP)]
