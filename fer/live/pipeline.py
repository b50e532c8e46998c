"""Frames in, faces with names and steady probabilities out."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fer.inference import UNCERTAIN, Face, Recognizer
from fer.inference.crops import square_crop
from fer.inference.detection import Detection
from fer.inference.model import Model
from fer.inference.prediction import labels_of
from fer.inference.preprocess import preprocess
from fer.live.smoothing import Smoother
from fer.live.sources import Frame
from fer.live.tracking import Box, Tracker
from fer.pixels import Image

Clip = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face with its track's name in this session, and smoothed probabilities and label."""

    track: str
    face: Face


class FacePipeline:
    """Detection, tracking, recognition and smoothing of one source.

    A model of clips reads the last frames of each face, at most as many as its training clips had.
    With ``largest_only`` only the largest face of a frame is read; of others the box is known.
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
        #: Of all faces of the last frame, read or not.
        self.boxes: list[Box] = []
        self._largest_only = largest_only
        self.tracker = Tracker() if tracker is None else tracker
        self.smoother = Smoother() if smoother is None else smoother
        frames = recognizer.frames
        self._clips = None if frames is None else ClipBuffer(frames, recognizer.model)

    def step(self, frame: Frame) -> list[TrackedFace]:
        """Return the faces of the next frame that are read."""
        recognizer = self.recognizer
        detections = recognizer.detector.detect(frame.image)
        self.boxes = [one.box for one in detections]
        if self._largest_only:
            detections = sorted(detections, key=lambda one: -one.box[2] * one.box[3])[:1]
        names = self.tracker.update([one.box for one in detections], frame.time)
        if self._clips is None:
            faces = recognizer.read(frame.image, detections)
        else:
            clips = self._clips.update(names, frame.image, detections)
            faces = recognizer.read_clips(detections, clips)
            self._clips.keep(self.tracker.alive)
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


class ClipBuffer:
    """The newest crops of each track, at the size that the model reads, in memory alone."""

    def __init__(self, count: int, model: Model) -> None:
        self._count = count
        self._size, self._fit = model.size, model.fit
        self._tracks: dict[str, deque[Clip]] = {}

    def __len__(self) -> int:
        return len(self._tracks)

    def update(
        self, names: Sequence[str], image: Image, detections: Sequence[Detection]
    ) -> list[Clip]:
        """Add the faces of a frame (uint8 ``[H, W, 3]`` RGB), named by their tracks.

        Returns:
            The last frames of each, this one too: uint8 ``[T, size, size]``, T up to ``count``.
        """
        crops = preprocess(
            [square_crop(image, one.box) for one in detections], self._size, self._fit
        )
        for name, crop in zip(names, crops, strict=True):
            self._tracks.setdefault(name, deque(maxlen=self._count)).append(crop)
        return [np.stack(self._tracks[name]) for name in names]

    def keep(self, tracks: Collection[str]) -> None:
        """Forget all but some tracks."""
        self._tracks = {name: crops for name, crops in self._tracks.items() if name in tracks}
