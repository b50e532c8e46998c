"""What is kept of a session: windows, and numbers on all of it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fer.live.aggregation import Aggregator, TurningPoint, Window, turning_points


@dataclass(slots=True)
class Record:
    """A session so far; ``title`` is what was watched, as its page calls it."""

    aggregator: Aggregator
    title: str = ""
    model: str = ""
    windows: list[Window] = field(default_factory=list)

    def add(self, window: Window | None) -> None:
        """Take a window that ended, if one did."""
        if window is not None:
            self.windows.append(window)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names."""
        return self.aggregator.measures.classes

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.windows[-1].end if self.windows else 0.0

    @property
    def told(self) -> list[Window]:
        """The windows whose emotions are shown."""
        return [one for one in self.windows if not one.withheld]

    @property
    def heads(self) -> float:
        """The mean number of faces in sight."""
        return statistics.fmean([one.faces_median for one in self.windows]) if self.windows else 0.0

    @property
    def most(self) -> int:
        """The largest number of faces that were in sight together."""
        return max((one.faces_max for one in self.windows), default=0)

    @property
    def read(self) -> float:
        """The share of the counted faces that were read in their window."""
        faces = sum(one.faces for one in self.told)
        return sum(one.read for one in self.told) / faces if faces else 0.0

    def withheld(self) -> Iterator[tuple[str, float]]:
        """Yield each reason for which windows are withheld, and for how many seconds."""
        for reason in sorted({one.withheld for one in self.windows if one.withheld}):
            some = [one for one in self.windows if one.withheld == reason]
            yield reason, sum(one.end - one.start for one in some)

    def turning(self) -> Sequence[TurningPoint]:
        """Return when what the group showed changed."""
        return turning_points(self.windows, self.aggregator.seconds)
