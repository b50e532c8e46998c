"""What the server counts: how it works, nothing of what it sees."""

from __future__ import annotations

import bisect
from collections import Counter
from typing import Final

from fer import __version__

#: Upper edges in seconds of the classes of times.
_EDGES: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counts, and tells them as Prometheus reads them."""

    def __init__(self) -> None:
        self.clients = 0
        self.answered = self.dropped = self.unreadable = 0
        self.told = self.withheld = 0
        self.refused: Counter[str] = Counter()
        self._times = [0] * (len(_EDGES) + 1)
        self._sum = 0.0

    def took(self, seconds: float) -> None:
        """Count a frame that was answered, and how long that took."""
        self.answered += 1
        self._sum += seconds
        self._times[bisect.bisect_left(_EDGES, seconds)] += 1

    def text(self) -> str:
        """Return all counts in Prometheus' text format."""
        lines = [
            "# HELP fer_info Version of the package.",
            "# TYPE fer_info gauge",
            f'fer_info{{version="{__version__}"}} 1',
        ]
        for kind, name, words, value in (
            ("gauge", "fer_clients", "Pages that are connected.", self.clients),
            ("counter", "fer_frames_total", "Frames that were answered.", self.answered),
            ("counter", "fer_frames_dropped_total", "Frames left for newer ones.", self.dropped),
            ("counter", "fer_frames_unreadable_total", "Frames that are none.", self.unreadable),
            ("counter", "fer_windows_told_total", "Windows whose emotions are told.", self.told),
            ("counter", "fer_windows_withheld_total", "Windows withheld.", self.withheld),
        ):
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}", f"{name} {value}"]
        lines += [
            "# HELP fer_refused_total Connections and requests refused, by reason.",
            "# TYPE fer_refused_total counter",
            *(
                f'fer_refused_total{{reason="{key}"}} {n}'
                for key, n in sorted(self.refused.items())
            ),
            "# HELP fer_frame_seconds From a frame's arrival to its answer.",
            "# TYPE fer_frame_seconds histogram",
        ]
        total = 0
        for edge, count in zip((*map(str, _EDGES), "+Inf"), self._times, strict=True):
            total += count
            lines.append(f'fer_frame_seconds_bucket{{le="{edge}"}} {total}')
        lines += [f"fer_frame_seconds_sum {self._sum:.6f}", f"fer_frame_seconds_count {total}"]
        return "\n".join(lines) + "\n"
