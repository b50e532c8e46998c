"""The protocol of face detectors, and their making."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np

from fer.core.defaults import DETECT_SIZE
from fer.core.errors import UserError
from fer.inference.detection.boxes import Boxes, nms, to_whole_pixels
from fer.pixels import Image

#: Intersection over union above which two boxes are one face; neighbours in a crowd overlap less.
_SAME: Final = 0.4
_YUNET: Final = "yunet:"


@dataclass(frozen=True, slots=True)
class Detection:
    """A face that was found.

    Attributes:
        box: ``(x, y, w, h)`` in whole pixels, cut to the picture.
        score: confidence that it is a face, 0 to 1.
    """

    box: tuple[int, int, int, int]
    score: float


class Detector(Protocol):
    """Finds faces. Anything with this method can be passed to :func:`fer.load`."""

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces in a picture, uint8 ``[H, W, 3]`` RGB, the best first."""
        ...


class Finder(Protocol):
    """A face detection library."""

    def find(self, image: Image) -> Boxes:
        """Return x, y, width, height and score (0 to 1), float64 ``[N, 5]``, of the faces in RGB.

        Boxes may overlap and extend beyond the picture.
        """
        ...


class ScaledDetector:
    """Detects faces in a downscaled picture, each once.

    Args:
        finder: finds boxes.
        detect_size: pixels of the long side that pictures are scaled down to, at least 32.
        min_score: boxes with a lower score are left out, 0 to 1.
    """

    def __init__(
        self, finder: Finder, *, detect_size: int = DETECT_SIZE, min_score: float = 0.0
    ) -> None:
        if detect_size < 32:
            raise ValueError(f"detect_size must be at least 32 pixels, not {detect_size}")
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score must be from 0 to 1, not {min_score}")
        self._finder = finder
        self.detect_size = detect_size
        self.min_score = min_score

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces in a picture, uint8 ``[H, W, 3]`` RGB, the best first."""
        height, width = image.shape[:2]
        small = _scaled_down(image, self.detect_size)
        found = self._finder.find(small)
        found = found[found[:, 4] >= self.min_score]
        across, down = width / small.shape[1], height / small.shape[0]
        boxes = found[:, :4] * (across, down, across, down)
        detections = []
        for index in nms(boxes, found[:, 4], limit=_SAME):
            box = to_whole_pixels(boxes[index], width, height)
            if box is not None:
                detections.append(Detection(box, float(found[index, 4])))
        return detections


def _scaled_down(image: Image, side: int) -> Image:
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def make_detector(
    name: str = "default",
    *,
    threads: int = 1,
    detect_size: int = DETECT_SIZE,
    min_score: float | None = None,
) -> Detector:
    """Return a face detector.

    Args:
        name: ``default`` comes with the package and needs no file and no network; ``yunet:PATH``
            is YuNet with the weights in that file.
        detect_size: see :class:`ScaledDetector`.
        min_score: see there; None: the detector's usual one.

    Raises:
        UserError: there is no such detector.
        DetectorError: it can't be used.
    """
    finder: Finder
    if name == "default":
        from fer.inference.detection.libfacedetection import MIN_SCORE, LibFaceDetection

        finder, usual = LibFaceDetection(threads=threads), MIN_SCORE
    elif name.startswith(_YUNET):
        from fer.inference.detection import yunet

        finder, usual = yunet.YuNet(name.removeprefix(_YUNET)), yunet.MIN_SCORE
    else:
        raise UserError(
            f"there is no detector {name!r}: choose default or yunet:PATH",
            code="unknown_detector",
            where=name,
        )
    score = usual if min_score is None else min_score
    return ScaledDetector(finder, detect_size=detect_size, min_score=score)
