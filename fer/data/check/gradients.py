"""Describe faces by the directions of their edges."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_CELLS: Final = 8
_DIRECTIONS: Final = 9
#: What keeps a block without edges from being divided by nothing, and how far one edge may count.
_FLOOR: Final = 1e-3
_CLIP: Final = 0.2
_BATCH: Final = 1024


def histograms_of_gradients(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return histograms of oriented gradients (Dalal & Triggs 2005, CVPR).

    Over 8×8 cells, nine directions of edges, weighted by their strength; each block of 2×2 cells
    scaled to length 1, clipped, side by side.

    Args:
        images: uint8 ``[N, H, W]``, at least 8×8 pixels.

    Returns:
        float32 ``[N, 1764]``.
    """
    parts = [_histograms(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)]
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)


def _histograms(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    # The root weighs edges in the dark like those in the light.
    down, across = np.gradient(np.sqrt(images.astype(np.float32)), axis=(1, 2))
    strength = np.hypot(down, across)
    angle = (np.arctan2(down, across) % np.pi) * (_DIRECTIONS / np.pi)
    # An edge counts for both of the directions that it lies between.
    lower = np.floor(angle).astype(np.int64)
    share = angle - lower
    count, height, width = images.shape
    cell = (np.arange(height) * _CELLS // height)[:, None] * _CELLS
    cell = cell + np.arange(width) * _CELLS // width
    start = (np.arange(count)[:, None, None] * _CELLS**2 + cell) * _DIRECTIONS
    size = count * _CELLS**2 * _DIRECTIONS
    total = np.zeros(size)
    for direction, weight in ((lower, 1 - share), (lower + 1, share)):
        place = start + direction % _DIRECTIONS
        total += np.bincount(place.ravel(), (weight * strength).ravel(), size)
    cells = total.reshape(count, _CELLS, _CELLS, _DIRECTIONS).astype(np.float32)
    corners = (cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, :-1, 1:], cells[:, 1:, 1:])
    blocks = np.concatenate(corners, axis=3)
    blocks /= np.linalg.norm(blocks, axis=3, keepdims=True) + _FLOOR
    clipped: npt.NDArray[np.float32] = np.minimum(blocks, _CLIP).reshape(count, -1)
    return clipped
