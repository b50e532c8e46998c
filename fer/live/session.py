"""A session: frames in, faces of the moment and what may be told of the group out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fer.core.defaults import MIN_GROUP, WINDOW_SECONDS
from fer.inference import Recognizer
from fer.live.aggregation import Aggregator, Cohort, Measures, Window
from fer.live.pipeline import FacePipeline, TrackedFace
from fer.live.sources import Frame
from fer.live.tracking import Tracker

#: For how many seconds a face may be out of sight and count as the same: it turned away, or
#: somebody passed. No longer, since another person may sit down there.
PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """What a frame brought.

    Attributes:
        faces: in it; not to be told in the class view, but for where they are.
        window: the window that it ended, if it did.
    """

    faces: list[TrackedFace]
    window: Window | None


class Session:
    """Detection, tracking, smoothing and aggregation of one source, each replaceable.

    Args:
        recognizer: says what faces show.
        seconds: length of a window.
        min_group: faces below which no emotion is told.
        index: name of an index that is told too, see ``fer.live.aggregation.INDICES``.
        pipeline: in place of the usual detection, tracking and smoothing.
        aggregator: in place of the usual one.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        seconds: float = WINDOW_SECONDS,
        min_group: int = MIN_GROUP,
        index: str | None = None,
        pipeline: FacePipeline | None = None,
        aggregator: Aggregator | None = None,
    ) -> None:
        if pipeline is None:
            pipeline = FacePipeline(recognizer, tracker=Tracker(patience=PATIENCE))
        if aggregator is None:
            measures = Measures(recognizer.classes, index)
            aggregator = Aggregator(measures, seconds=seconds, cohort=Cohort(min_group))
        self.pipeline = pipeline
        self.aggregator = aggregator

    def step(self, frame: Frame) -> Step:
        """Return what the next frame brought."""
        faces = self.pipeline.step(frame)
        window = self.aggregator.add(frame.time, faces, self.pipeline.tracker.alive)
        return Step(faces, window)

    def close(self) -> Window | None:
        """End the session, and return its last window, which may be short."""
        return self.aggregator.close()
