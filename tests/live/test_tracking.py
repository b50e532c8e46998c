from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fer.live import Tracker
from fer.live.tracking import greedy_pairs

SIDE = 60


def row_of_faces(count: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Seated faces, three rows of them, each box a little off from frame to frame."""
    boxes = []
    for number in range(count):
        x, y = 40 + 110 * (number % 10), 60 + 200 * (number // 10)
        dx, dy, dw = rng.normal(0, 3, 3).round().astype(int).tolist()
        boxes.append((x + dx, y + dy, SIDE + dw, SIDE + dw))
    return boxes


def test_seated_faces_keep_their_names() -> None:
    rng = np.random.default_rng(0)
    tracker = Tracker()
    first = tracker.update(row_of_faces(30, rng), 0.0)
    assert len(set(first)) == 30
    for number in range(1, 200):
        boxes = row_of_faces(30, rng)
        order = rng.permutation(30)
        missed = {int(place) for place in rng.choice(30, 5)}
        shown = [place for place in order.tolist() if place not in missed]
        names = tracker.update([boxes[place] for place in shown], number / 25)
        assert names == [first[place] for place in shown]
    assert tracker.count == 30


@pytest.mark.parametrize("step", [-20, 11, 24])
def test_a_moving_camera_and_neighbours(step: int) -> None:
    """Shoulder to shoulder, moved by less than half a face from frame to frame."""
    tracker = Tracker()
    boxes = [(2000 + 60 * n, 50, 60, 60) for n in range(6)]
    first = tracker.update(boxes, 0.0)
    for number in range(1, 20):
        moved = [(x + step * number, y, w, h) for x, y, w, h in boxes]
        assert tracker.update(moved, number / 25) == first


shapes = st.tuples(st.integers(0, 6), st.integers(0, 6))
# Few different values, so that there are ties.
gains = arrays(np.float64, shapes, elements=st.sampled_from([0.0, 0.2, 0.25, 0.5, 0.6, 1.0]))


@given(gains)
def test_pairs(gain: np.ndarray) -> None:  # type: ignore[type-arg]
    pairs = greedy_pairs(gain, least=0.25)
    rows, columns = ([pair[side] for pair in pairs] for side in (0, 1))
    assert len(set(rows)) == len(set(columns)) == len(pairs)
    for row, column in np.ndindex(gain.shape):
        better = [gain[pair] for pair in pairs if pair[0] == row or pair[1] == column]
        if gain[row, column] >= 0.25:
            assert max(better) >= gain[row, column], "left out for a better pair alone"
        else:
            assert (row, column) not in pairs


def test_who_leaves_is_forgotten() -> None:
    tracker = Tracker(patience=1.0)
    (first,) = tracker.update([(10, 10, 50, 50)], 0.0)
    assert tracker.update([], 0.9) == []
    assert tracker.update([(12, 10, 50, 50)], 1.0) == [first]
    assert tracker.alive == {first}
    (later,) = tracker.update([(10, 10, 50, 50)], 2.5)
    assert later != first
    assert tracker.alive == {later}
    (beside,) = tracker.update([(500, 10, 50, 50)], 2.6)
    assert beside not in {first, later}
    assert tracker.count == 3


def test_names_link_no_sessions() -> None:
    box = [(10, 10, 50, 50)]
    assert Tracker().update(box, 0.0) != Tracker().update(box, 0.0)
