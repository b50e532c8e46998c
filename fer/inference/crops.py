"""From a detector's box to the squares around a face that a model reads."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from fer.pixels import Image

#: A found face is read in two squares: how much longer their sides are than the box's longer side,
#: as a share of it, and how far below the box they lie, as a share of its height. With two, faces
#: keep the label of their bare picture more often than with any single square
#: (``benchmarks/crop_margin.py``).
MARGINS: Final = (-0.1, 0.03)
DROP: Final = 0.03


def face_crops(image: Image, box: tuple[int, int, int, int]) -> list[Image]:
    """Return the squares that a found face is read in, see :data:`MARGINS`."""
    return [square_crop(image, box, margin, drop=DROP) for margin in MARGINS]


def square_crop(
    image: Image, box: tuple[int, int, int, int], margin: float = 0.0, *, drop: float = 0.0
) -> Image:
    """Return the square around a box, a view if possible; outside, the picture's edge is repeated.

    Args:
        image: uint8 ``[H, W, 3]`` or ``[H, W]``.
        box: ``(x, y, w, h)`` in pixels, inside the picture.
        margin: how much longer the side is than the box's longer side, as a share of it.
        drop: how far the square's middle lies below the box's, as a share of its height.

    Example:
        >>> square_crop(np.zeros((90, 90, 3), dtype=np.uint8), (80, 10, 10, 30), 0.2).shape
        (36, 36, 3)
    """
    x, y, w, h = box
    side = max(1, round(max(w, h) * (1 + margin)))
    left, top = round(x + (w - side) / 2), round(y + (h - side) / 2 + drop * h)
    right, bottom = left + side, top + side
    height, width = image.shape[:2]
    inside = image[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    if inside.shape[:2] == (side, side):
        return inside
    beyond = (
        max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width)
    )  # fmt: skip
    padded = cv2.copyMakeBorder(inside, *beyond, borderType=cv2.BORDER_REPLICATE)
    return padded.astype(np.uint8, copy=False)
