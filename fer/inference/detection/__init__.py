"""Where the faces in a picture are."""

from fer.inference.detection.boxes import box_iou
from fer.inference.detection.detector import (
    Detection,
    Detector,
    DetectorError,
    Finder,
    ScaledDetector,
    make_detector,
)

__all__ = [
    "Detection",
    "Detector",
    "DetectorError",
    "Finder",
    "ScaledDetector",
    "box_iou",
    "make_detector",
]
