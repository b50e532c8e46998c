"""A session: frames in, faces of the moment and what may be shown of the group out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fer.core.defaults import MIN_GROUP, WINDOW_SECONDS
from fer.inference import Recognizer
from fer.live.aggregation import Aggregator, Cohort, Measures, Window
from fer.live.pipeline import FacePipeline, TrackedFace
from fer.live.sources import Frame
from fer.live.tracking import Tracker

#: Seconds that a face may be out of sight and count as the same; later another may sit there.
PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """What a frame brought.

    Attributes:
        faces: in the class view, only where they are may be shown.
        window: the window that the frame ended, if any.
    """

    faces: list[TrackedFace]
    window: Window | None


class Session:
    """Detection, tracking, smoothing and aggregation of one source, each replaceable.

    Args:
        seconds: length of a window.
        min_group: faces below which no emotion is shown.
        index: name of an index that is shown too, see ``fer.live.aggregation.INDICES``.
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
