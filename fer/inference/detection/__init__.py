"""Where the faces in a picture are."""

from fer.inference.detection.boxes import overlap
from fer.inference.detection.detector import (
    DETECT_SIZE,
    Detection,
    Detector,
    DetectorError,
    Finder,
    ScaledDetector,
)
from fer.inference.detection.naming import make_detector

__all__ = [
    "DETECT_SIZE",
    "Detection",
    "Detector",
    "DetectorError",
    "Finder",
    "ScaledDetector",
    "make_detector",
    "overlap",
]
