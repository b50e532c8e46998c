from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer.inference.detection.boxes import box_iou, nms, to_whole_pixels


def test_overlap_is_intersection_over_union() -> None:
    boxes = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5], [2, 2, 5, 5.0]])
    found = box_iou(boxes, boxes)
    np.testing.assert_allclose(np.diag(found), 1)
    np.testing.assert_allclose(found, found.T)
    np.testing.assert_allclose(found[0, 1:], [1 / 3, 0, 0.25])
    assert box_iou(boxes[:0], boxes).shape == (0, 4)
    assert box_iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


@given(
    st.lists(st.tuples(*[st.integers(0, 30)] * 4, st.integers(0, 9)), max_size=12),
    st.floats(0.1, 0.9),
)
def test_nms_keeps_the_best_of_each(found: list[tuple[int, ...]], limit: float) -> None:
    rows = np.array(found, dtype=float).reshape(-1, 5)
    boxes, scores = rows[:, :4], rows[:, 4]
    kept = nms(boxes, scores, limit=limit)
    assert kept == sorted(kept, key=lambda i: (-scores[i], i)), "the best first, ties in order"
    overlaps = box_iou(boxes, boxes)
    for n, i in enumerate(kept):
        assert not (overlaps[i, kept[:n]] > limit).any()
    for i in {*range(len(rows))} - {*kept}:
        better = [k for k in kept if (-scores[k], k) < (-scores[i], i)]
        assert overlaps[i, better].max() > limit


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
