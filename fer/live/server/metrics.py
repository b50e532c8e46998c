"""What the server counts: how it works, nothing of what it sees."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)

from fer import __version__

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The counts of one server, for Prometheus."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"fer_{name}", words, labels, registry=registry)

        Info("fer", "Version of the package.", registry=registry).info({"version": __version__})
        self.clients = Gauge("fer_clients", "Pages that are connected.", registry=registry)
        self.answered = counter("frames", "Frames that were answered.")
        self.dropped = counter("frames_dropped", "Frames left for newer ones.")
        self.unreadable = counter("frames_unreadable", "Frames that can't be read.")
        self.told = counter("windows_told", "Windows whose emotions are told.")
        self.withheld = counter("windows_withheld", "Windows whose emotions are withheld.")
        self.refused = counter("refused", "Connections and requests refused, by reason.", "reason")
        self.seconds = Histogram(
            "fer_frame_seconds",
            "From a frame's arrival to its answer.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
            registry=registry,
        )

    def frame_answered(self, seconds: float) -> None:
        """Count a frame that was answered, and how long that took."""
        self.answered.inc()
        self.seconds.observe(seconds)

    def refuse(self, reason: str) -> None:
        """Count a connection or a request that was refused."""
        self.refused.labels(reason).inc()

    def text(self) -> str:
        """Return all counts in Prometheus' text format."""
        return generate_latest(self._registry).decode()
