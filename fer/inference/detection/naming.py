"""From a name to a detector."""

from __future__ import annotations

from typing import Final

from fer.core.errors import UserError
from fer.inference.detection.detector import DETECT_SIZE, Detector, ScaledDetector

_YUNET: Final = "yunet:"


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
        threads: how many cores it may use.
        detect_size: see :class:`ScaledDetector`.
        min_score: see there; None: what the detector does well with.

    Raises:
        UserError: there is no such detector.
        DetectorError: it can't be used.
    """
    if name == "default":
        from fer.inference.detection.libfacedetection import MIN_SCORE, LibFaceDetection

        score = MIN_SCORE if min_score is None else min_score
        finder = LibFaceDetection(threads=threads)
        return ScaledDetector(finder, detect_size=detect_size, min_score=score)
    if name.startswith(_YUNET):
        from fer.inference.detection import yunet

        score = yunet.MIN_SCORE if min_score is None else min_score
        weights = yunet.YuNet(name.removeprefix(_YUNET))
        return ScaledDetector(weights, detect_size=detect_size, min_score=score)
    raise UserError(f"there is no detector {name!r}: choose default or yunet:PATH")
