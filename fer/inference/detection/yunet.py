"""YuNet (Wu et al. 2023) by OpenCV, from a file of weights that the user names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from fer.inference.detection.boxes import Boxes
from fer.inference.detection.errors import DetectorError
from fer.pixels import Image

#: OpenCV's examples use 0.9, which loses small faces; below 0.6 there are false ones.
MIN_SCORE: Final = 0.7
#: YuNet's input sizes are multiples of this.
_STEP: Final = 32


class YuNet:
    """Finds faces with YuNet, on as many threads as ``cv2.setNumThreads`` sets for the process.

    Args:
        path: the ONNX file, such as ``face_detection_yunet_2023mar.onnx``.

    Raises:
        DetectorError: there is no such file, or it is no YuNet.
    """

    def __init__(self, path: str | Path) -> None:
        if not Path(path).is_file():
            raise DetectorError(
                f"there is no file {path} with the weights of YuNet",
                code="no_such_file",
                where=str(path),
            )
        # As bytes: OpenCV accepts only UTF-8 names.
        weights = np.frombuffer(Path(path).read_bytes(), dtype=np.uint8)
        log = cv2.utils.logging
        level = log.setLogLevel(log.LOG_LEVEL_SILENT)
        try:
            self._size = (2 * _STEP, 2 * _STEP)
            nothing = np.empty(0, dtype=np.uint8)
            self._detector = cv2.FaceDetectorYN.create(
                "onnx", weights, nothing, self._size, score_threshold=0.3
            )
            # A model of another task is only noticed when it is used.
            self._detector.detect(np.zeros((*self._size, 3), dtype=np.uint8))
        except (cv2.error, TypeError) as error:
            why = getattr(error, "err", "") or "it is damaged, or a model of another task"
            raise DetectorError(
                f"{path} is no YuNet that OpenCV {cv2.__version__} can read ({why}); what to do: "
                "name face_detection_yunet_2023mar.onnx of OpenCV's model zoo",
                code="not_yunet",
                where=str(path),
            ) from None
        finally:
            log.setLogLevel(level)

    def find(self, image: Image) -> Boxes:
        """Return ``[N, 5]``: x, y, width, height and score, of uint8 ``[H, W, 3]`` RGB."""
        size = (image.shape[1], image.shape[0])
        if size != self._size:
            self._detector.setInputSize(size)
            self._size = size
        found: Any = self._detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        if found is None:
            return np.empty((0, 5))
        # x, y, w, h, five points of the face, score.
        boxes: Boxes = found[:, [0, 1, 2, 3, 14]].astype(np.float64)
        return boxes
