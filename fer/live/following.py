"""Frames in, faces with names and steady probabilities out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fer.inference import UNCERTAIN, Face, Recognizer
from fer.inference.prediction import labels_of
from fer.live.last_frames import LastFrames
from fer.live.smoothing import Smoother
from fer.live.sources import Frame
from fer.live.tracking import Box, Tracker


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face of a frame that is known from the frames before.

    Attributes:
        track: its name in this session.
        face: with smoothed probabilities, and the label that they give.
    """

    track: str
    face: Face


class Follower:
    """Detection, tracking, recognition and smoothing of one source.

    A model of clips reads the last frames in which each face was seen, as many as the clips had
    that it learnt from; a face that has just appeared, those that there are.

    Args:
        recognizer: says what faces show.
        tracker: a new one of its own where none is given.
        smoother: likewise.
        largest_only: read the largest face of a frame, and of others no more than where they are.

    Attributes:
        boxes: of all faces of the last frame, read or not.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        tracker: Tracker | None = None,
        smoother: Smoother | None = None,
        largest_only: bool = False,
    ) -> None:
        self.recognizer = recognizer
        self.boxes: list[Box] = []
        self._largest_only = largest_only
        self.tracker = Tracker() if tracker is None else tracker
        self.smoother = Smoother() if smoother is None else smoother
        frames = recognizer.frames
        self._seen = None if frames is None else LastFrames(frames, recognizer.model)

    def step(self, frame: Frame) -> list[TrackedFace]:
        """Return the faces of the next frame that are read."""
        recognizer = self.recognizer
        found = recognizer.detector.detect(frame.image)
        self.boxes = [one.box for one in found]
        if self._largest_only:
            found = sorted(found, key=lambda one: -one.box[2] * one.box[3])[:1]
        names = self.tracker.update([one.box for one in found], frame.time)
        if self._seen is None:
            faces = recognizer.read(frame.image, found)
        else:
            clips = self._seen.update(names, frame.image, found)
            faces = recognizer.read_clips(found, clips)
            self._seen.keep(self.tracker.alive)
        self.smoother.keep(self.tracker.alive)
        return [
            TrackedFace(name, self._smoothed(name, face, frame.time))
            for name, face in zip(names, faces, strict=True)
        ]

    def _smoothed(self, name: str, face: Face, time: float) -> Face:
        recognizer = self.recognizer
        probabilities = self.smoother.update(name, face.probabilities, time)
        (label,) = labels_of(probabilities[None], recognizer.classes, recognizer.confidence)
        if min(face.box[2:]) < recognizer.min_face:
            label = UNCERTAIN
        return replace(face, label=label, probabilities=probabilities)
