"""Notices and turning points: there when something changed, and quiet when nothing did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.shifts import LIVELY, notices, told_of, unchanging
from fer.core.labels import EMOTIONS
from fer.live.aggregation import ShiftDetector, Window, turning_points
from fer.live.aggregation.windows import coarse_shares

SECONDS = 2.0


def windows(shares: np.ndarray, valence: np.ndarray) -> list[Window]:  # type: ignore[type-arg]
    return [
        Window(
            n, SECONDS * n, SECONDS * (n + 1), 20, 20, 1.0, "", faces=20, read=20, generation=1,
            shares=dict(zip(EMOTIONS, coarse_shares(row), strict=True)),
            valence=round(round(float(v) / 0.05) * 0.05, 2), confidence=0.8,
        )
        for n, (row, v) in enumerate(zip(shares, valence, strict=True))
    ]  # fmt: skip


@pytest.mark.parametrize("people", [5, 20])
def test_where_nothing_changes_notices_are_rare(people: int) -> None:
    """Four hours; of many hours and more kinds of classes, ``python -m benchmarks.shifts``."""
    rng = np.random.default_rng(people)
    found = notices(unchanging(people, 4 * 1800, LIVELY, 15.0, rng))
    assert len(found) <= 4


@pytest.mark.parametrize("people", [5, 20])
def test_all_neutral_and_then_all_happy(people: int) -> None:
    labels = np.full((120, people), EMOTIONS.index("neutral"))
    labels[90:] = EMOTIONS.index("happy")
    (found,) = notices(labels)
    assert 180 < found <= 190


def test_gaps_are_time() -> None:
    """What was told before a pause of more than ten seconds is compared with nothing."""
    for withheld, count in ((5, 1), (6, 0)):
        labels = np.full((200, 20), EMOTIONS.index("neutral"))
        labels[90:] = EMOTIONS.index("happy")
        some = list(told_of(labels))
        for n in range(85, 85 + withheld):
            some[n] = replace(some[n], withheld="few", valence=None, faces=0, generation=0)
        detector = ShiftDetector(SECONDS)
        assert sum(detector.add(one) is not None for one in some) == count


def test_a_shift_is_noticed_once_and_soon() -> None:
    flat = windows(np.tile(np.full(7, 1 / 7), (200, 1)), np.repeat([0.0, 0.6], 100))
    detector = ShiftDetector(SECONDS)
    (shift,) = [found for one in flat if (found := detector.add(one)) is not None]
    assert shift.time <= 200 + 15
    assert shift.before == 0.0
    assert shift.after > shift.threshold == pytest.approx(1.2 / 20**0.5, abs=1e-3)


def test_the_threshold_is_known_after_two_minutes_and_for_the_same_faces() -> None:
    flat = windows(np.tile(np.full(7, 1 / 7), (100, 1)), np.zeros(100))
    detector = ShiftDetector(SECONDS)
    known = []
    for one in flat:
        assert detector.add(one) is None
        known.append(detector.threshold is not None)
    assert known.index(True) == 64
    for one in flat[:30]:
        assert detector.add(replace(one, generation=2, valence=0.8)) is None


def changing(levels: list[int], each: int, seed: int) -> list[Window]:
    rng = np.random.default_rng(seed)
    rows = []
    for emotion in levels:
        chances = np.full(7, 0.05)
        chances[emotion] = 0.7
        rows += [rng.multinomial(20, chances) / 20 for _ in range(each)]
    return windows(np.array(rows), np.zeros(len(rows)))


def test_turning_points_are_found() -> None:
    some = changing([3, 6, 4, 6], 30, seed=0)
    found = turning_points(some, SECONDS)
    np.testing.assert_allclose([one.time for one in found], [60, 120, 180], atol=2)
    assert found[0].before["happy"] == pytest.approx(0.7, abs=0.06)
    assert found[0].after["neutral"] == pytest.approx(0.7, abs=0.06)


def test_nothing_turns_in_noise() -> None:
    for seed in range(20):
        assert turning_points(changing([3], 200, seed), SECONDS) == []
    assert turning_points([], SECONDS) == []
    assert turning_points(changing([3], 1, 0), SECONDS) == []


def test_other_faces_are_not_a_turning_point() -> None:
    some = changing([3, 6], 30, seed=0)
    some = some[:30] + [replace(one, generation=2) for one in some[30:]]
    assert turning_points(some, SECONDS) == []


def test_withheld_windows_are_passed_over() -> None:
    hidden = [
        replace(one, withheld="few", shares=None, valence=None)
        if one.number % 7 == 0 else one
        for one in changing([3, 6], 40, seed=0)
    ]  # fmt: skip
    (only,) = turning_points(hidden, SECONDS)
    assert only.time == pytest.approx(80, abs=2)
