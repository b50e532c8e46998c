from __future__ import annotations

import numpy as np
import pytest

from fer.inference.detection.boxes import box_iou, nms, to_whole_pixels


def test_overlap_is_intersection_over_union() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5], [2, 2, 5, 5.0]])
    found = box_iou(boxes, boxes)
    np.testing.assert_allclose(np.diag(found), 1)
    np.testing.assert_allclose(found, found.T)
    np.testing.assert_allclose(found[0, 1:], [1 / 3, 0, 0.25])
    assert box_iou(boxes[:0], boxes).shape == (0, 4)
    assert box_iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


def test_duplicates_are_left_out() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [6, 0, 10, 10], [40, 0, 10, 10.0]])
    assert nms(boxes, np.array([0.5, 0.9, 0.4, 0.95]), limit=0.4) == [3, 1, 2]
    assert nms(boxes[:0], np.empty(0), limit=0.4) == []


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((1.4, 1.6, 3.0, 3.0), (1, 2, 3, 3)),
        ((-5, -5, 100, 100), (0, 0, 40, 30)),
        ((39.2, 29.2, 9, 9), (39, 29, 1, 1)),
        ((-9, 0, 9, 9), None),
        ((40, 0, 9, 9), None),
        ((3, 3, 0, 5), None),
    ],
)
def test_to_whole_pixels(box: tuple[float, ...], wanted: tuple[int, ...] | None) -> None:
    assert to_whole_pixels(np.array(box, dtype=float), 40, 30) == wanted
