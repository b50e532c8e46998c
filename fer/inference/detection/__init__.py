"""Face detection."""

from fer.inference.detection.boxes import box_iou
from fer.inference.detection.detector import (
    Detection,
    Detector,
    Finder,
    ScaledDetector,
    make_detector,
)
from fer.inference.detection.errors import DetectorError

__all__ = [
    "Detection",
    "Detector",
    "DetectorError",
    "Finder",
    "ScaledDetector",
    "box_iou",
    "make_detector",
]
