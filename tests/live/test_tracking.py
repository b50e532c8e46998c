from __future__ import annotations

import numpy as np

from fer.live import Tracker

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


def test_a_moving_camera_and_neighbours() -> None:
    tracker = Tracker()
    boxes = [(100 + 40 * n, 50, 60, 60) for n in range(6)]
    first = tracker.update(boxes, 0.0)
    for step in range(1, 20):
        moved = [(x + 22 * step, y, w, h) for x, y, w, h in boxes]
        assert tracker.update(moved, step / 25) == first


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
