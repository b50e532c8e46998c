"""Boxes ``(x, y, w, h)`` in numbers: overlap, duplicates, edges of the picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]


def overlap(some: Boxes, others: Boxes) -> Boxes:
    """Return the intersection over union of each box with each other one.

    Args:
        some: ``[N, 4]``, x, y, width and height.
        others: ``[M, 4]``.

    Returns:
        float64 ``[N, M]``, from 0 to 1.

    Example:
        >>> overlap(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 2, 2.0]])).round(2).tolist()
        [[0.33]]
    """
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(
        some[:, None, :2] + some[:, None, 2:], others[None, :, :2] + others[None, :, 2:]
    )
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    union = np.prod(some[:, 2:], axis=1)[:, None] + np.prod(others[:, 2:], axis=1) - shared
    found: Boxes = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return found


def best_of_each(boxes: Boxes, scores: Boxes, *, limit: float) -> list[int]:
    """Return which boxes remain when those that overlap a better one are left out, best first.

    Greedy suppression (non-maximum suppression) as face detectors use it.

    Args:
        boxes: ``[N, 4]``.
        scores: ``[N]``.
        limit: intersection over union above which two boxes are the same thing.
    """
    order = np.argsort(-scores, kind="stable")
    overlaps = overlap(boxes, boxes)
    kept: list[int] = []
    for place in order.tolist():
        if not kept or overlaps[place, kept].max() <= limit:
            kept.append(place)
    return kept


def whole_pixels(box: Boxes, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Return a box in whole pixels, cut to a picture; None where nothing of it lies inside.

    Example:
        >>> whole_pixels(np.array([-3.2, 4.4, 10.0, 99.0]), 40, 30)
        (0, 4, 7, 26)
    """
    left, top = max(0, round(box[0])), max(0, round(box[1]))
    right, bottom = min(width, round(box[0] + box[2])), min(height, round(box[1] + box[3]))
    if right <= left or bottom <= top:
        return None
    return left, top, right - left, bottom - top
