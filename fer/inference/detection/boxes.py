"""Boxes ``(x, y, w, h)``: overlap, duplicates, edges of the picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]


def box_iou(boxes: Boxes, others: Boxes) -> Boxes:
    """Return the intersection over union, float64 ``[N, M]``, of boxes ``[N, 4]`` and ``[M, 4]``.

    Example:
        >>> box_iou(np.array([[0, 0, 2, 2.0]]), np.array([[1, 0, 2, 2.0]])).round(2).tolist()
        [[0.33]]
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(
        boxes[:, None, :2] + boxes[:, None, 2:], others[None, :, :2] + others[None, :, 2:]
    )
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    union = np.prod(boxes[:, 2:], axis=1)[:, None] + np.prod(others[:, 2:], axis=1) - shared
    ratio: Boxes = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio


def nms(boxes: Boxes, scores: Boxes, *, limit: float) -> list[int]:
    """Return the indices of the boxes ``[N, 4]`` that non-maximum suppression keeps, best first.

    Greedy; equal scores keep their order, unlike in ``cv2.dnn.NMSBoxes``. ``limit`` is the
    intersection over union above which two boxes are the same thing.
    """
    overlaps = box_iou(boxes, boxes)
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        if not kept or overlaps[index, kept].max() <= limit:
            kept.append(index)
    return kept


def to_whole_pixels(box: Boxes, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Return a box in whole pixels, cut to a picture; None if it lies outside.

    Example:
        >>> to_whole_pixels(np.array([-3.2, 4.4, 10.0, 99.0]), 40, 30)
        (0, 4, 7, 26)
    """
    left, top = max(0, round(box[0])), max(0, round(box[1]))
    right, bottom = min(width, round(box[0] + box[2])), min(height, round(box[1] + box[3]))
    if right <= left or bottom <= top:
        return None
    return left, top, right - left, bottom - top
