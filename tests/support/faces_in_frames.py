"""Pictures whose faces a test knows, and a detector that finds them without looking like one."""

from __future__ import annotations

import numpy as np

from fer.inference import Detection
from fer.pixels import Image

#: Full red is in no other place of what :func:`scene` returns.
_RED = 255


class RedSquares:
    """Takes squares with a frame of full red for faces, wherever they are."""

    def detect(self, image: Image) -> list[Detection]:
        import cv2

        is_red = (image[..., 0] > 200) & (image[..., 1:] < 90).all(axis=2)
        # What a film's compression tore apart.
        joined = cv2.dilate(is_red.astype(np.uint8), np.ones((3, 3), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(joined)
        return [
            Detection((int(x), int(y), int(w), int(h)), 0.9)
            for x, y, w, h, area in stats[1:].tolist()
            if area > 30
        ]


def scene(
    *boxes: tuple[int, int, int], size: tuple[int, int] = (160, 120), grey: int = 60
) -> Image:
    """Return a picture, uint8 ``[H, W, 3]``, with a square at each ``(x, y, side)``."""
    width, height = size
    image = np.full((height, width, 3), grey, dtype=np.uint8)
    for x, y, side in boxes:
        image[y : y + side, x : x + side] = (_RED, 0, 0)
        image[y + 4 : y + side - 4, x + 4 : x + side - 4] = (120, 130, 140)
    return image
