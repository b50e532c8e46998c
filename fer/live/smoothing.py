"""Probabilities that don't flicker."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

from fer.inference.prediction import Numbers

#: Seconds after which a past answer counts 37 %. A single misread frame hardly shows, a change of
#: expression does within half a second.
SECONDS: Final = 0.4


class Smoother:
    """Averages each track's probabilities over time, newer ones counting more.

    With the answer ``p`` of a frame that comes ``d`` seconds after the track's last one, the
    smoothed probabilities become ``s ← s + (1 - exp(-d / seconds)) (p - s)``: an exponential
    moving average whose weights follow the clock, so that it is the same at any rate of frames.
    A track begins with its first answer. Sums of one stay so. ``seconds`` of 0: not smoothed.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        if seconds < 0:
            raise ValueError(f"seconds must be at least 0, not {seconds}")
        self._seconds = seconds
        self._tracks: dict[str, tuple[float, Numbers]] = {}

    def __len__(self) -> int:
        return len(self._tracks)

    def update(self, track: str, probabilities: Numbers, time: float) -> Numbers:
        """Return the smoothed probabilities, float32 ``[C]``, of a track at a time in seconds."""
        before = self._tracks.get(track)
        now = probabilities
        if before is not None and self._seconds > 0:
            weight = -math.expm1(-max(0.0, time - before[0]) / self._seconds)
            now = (before[1] + weight * (probabilities - before[1])).astype(probabilities.dtype)
        self._tracks[track] = (time, now)
        return now

    def keep(self, tracks: Collection[str]) -> None:
        """Forget all but some tracks."""
        for name in [name for name in self._tracks if name not in tracks]:
            del self._tracks[name]
