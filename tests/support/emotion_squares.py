"""Pictures of squares that stand for faces, each with a grey that stands for an emotion."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS
from fer.inference import Recognizer
from fer.pixels import Image
from tests.support.faces_in_frames import RedSquares

_STEP = 32


def room(
    shown: Sequence[str | None], *, size: tuple[int, int] = (640, 480), side: int = 60
) -> Image:
    """Return a picture, uint8 ``[H, W, 3]``, with a seat for each emotion; None: an empty seat."""
    width, height = size
    image = np.full((height, width, 3), 12, dtype=np.uint8)
    across = width // (side + 20)
    for seat, emotion in enumerate(shown):
        if emotion is not None:
            x, y = 10 + (side + 20) * (seat % across), 10 + (side + 20) * (seat // across)
            image[y : y + side, x : x + side] = (255, 0, 0)
            rim = side // 6
            grey = _STEP // 2 + _STEP * EMOTIONS.index(emotion)
            image[y + rim : y + side - rim, x + rim : x + side - rim] = grey
    return image


class SquareModel:
    """Reads the grey in the middle of a face."""

    classes = EMOTIONS
    size = 48
    fit = "pad"
    temperature = 1.0
    columns = None
    made = MappingProxyType[str, str]({})

    def answer(
        self, images: npt.NDArray[np.uint8], metadata: object = None, *, batch_size: int = 64
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        middle = images[:, 20:28, 20:28].mean(axis=(1, 2))
        which = np.clip(middle // _STEP, 0, len(EMOTIONS) - 1).astype(int)
        chances = np.full((len(images), len(EMOTIONS)), 0.02, dtype=np.float32)
        chances[np.arange(len(images)), which] = 0.88
        return chances, np.log(chances)


def square_recognizer(**options: float) -> Recognizer:
    """Return a recognizer that knows what :func:`room` draws."""
    return Recognizer(SquareModel(), detector=RedSquares(), **options)  # type: ignore[arg-type]


def as_file(image: Image, suffix: str = ".png") -> bytes:
    """Return a picture as the bytes of a file."""
    done, data = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]))
    assert done
    return data.tobytes()
