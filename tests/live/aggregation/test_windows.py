"""What a window tells."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer.core.labels import EMOTIONS
from fer.live.aggregation import VALENCE, Aggregator, Measures
from fer.live.aggregation.capping import inside, ranges
from fer.live.aggregation.windows import coarse_shares
from tests.support.readings import reading, told, tracked

FACES = [f"f{n}" for n in range(20)]


def all_show(label: str, count: int = 20) -> dict[str, str]:
    return dict.fromkeys(FACES[:count], label)


@pytest.mark.parametrize("label", EMOTIONS)
def test_valence_is_the_mapping(label: str) -> None:
    window = told([all_show(label)] * 5)[-1]
    assert window.valence == pytest.approx(VALENCE[label], abs=0.025)
    assert window.shares == {name: float(name == label) for name in EMOTIONS}
    assert window.confidence == 1


def test_the_index_is_left_out_unless_asked_for() -> None:
    assert told([all_show("happy")] * 5)[-1].index is None
    assert told([all_show("happy")] * 5, index="sharma2019")[-1].index == 0.6


def test_other_classes_have_no_valence() -> None:
    window = told([all_show("cat")] * 5, classes=("cat", "dog"), index="sharma2019")[-1]
    assert (window.valence, window.index, window.volatility) == (None, None, None)
    assert window.shares == {"cat": 1, "dog": 0}


def test_volatility_is_rmssd() -> None:
    labels = ["happy", "neutral", "sad", "sad", "happy", "surprise"] * 3
    windows = told([all_show(label) for label in labels])
    values = [one.valence for one in windows if one.valence is not None]
    assert windows[3].volatility is None
    expected = math.sqrt(np.mean(np.diff(values) ** 2))
    assert windows[-1].volatility == pytest.approx(expected, abs=1e-3)
    assert told([all_show("sad")] * 9)[-1].volatility == 0


def test_faces_and_dwell() -> None:
    counts = [0, 1, 7, 7, 7, 3]
    windows = told([dict.fromkeys(FACES[:n], "sad") for n in counts])
    assert [one.faces_median for one in windows] == counts
    assert [one.dwell_seconds for one in windows] == [0, 0, 0, 1, 2, 3]
    assert [one.number for one in windows] == list(range(6))
    assert [one.start for one in windows] == list(range(6))


def test_presence_counts_frames_that_follow_each_other() -> None:
    aggregator = Aggregator(Measures(EMOTIONS), seconds=2.0)
    alive = set(FACES)
    for time in (0.0, 0.5, 1.0, 60.0, 60.5):
        aggregator.add(time, tracked(all_show("sad")), alive)
    assert aggregator.face_seconds == pytest.approx(20 * 1.5)
    assert aggregator.tracks == 20


def test_windows_without_a_frame_are_left_out() -> None:
    aggregator = Aggregator(Measures(EMOTIONS), seconds=2.0)
    ended = [aggregator.add(time, [], set()) for time in (0.0, 1.9, 2.0, 9.0)]
    assert [None if one is None else (one.number, one.end) for one in ended] == [
        None, None, (0, 2.0), (1, 4.0),
    ]  # fmt: skip
    last = aggregator.close()
    assert last is not None
    assert (last.number, last.start, last.end) == (4, 8.0, 9.0)
    assert aggregator.close() is None


def test_a_window_is_the_mean_of_its_frames() -> None:
    aggregator = Aggregator(Measures(EMOTIONS), seconds=1.0)
    window = None
    for number in range(41):
        label = "happy" if number % 10 < 5 else "sad"
        window = aggregator.add(number / 10, tracked(all_show(label)), set(FACES)) or window
    assert window is not None
    assert window.shares is not None
    assert (window.shares["happy"], window.shares["sad"]) == (0.5, 0.5)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda some: sum(some) > 1e-3))
def test_shares_sum_to_one_in_steps(some: list[float]) -> None:
    shares = np.array(some) / sum(some)
    steps = coarse_shares(shares)
    assert sum(steps) == pytest.approx(1)
    assert np.abs(np.array(steps) - shares).max() < 0.05
    assert all(round(one * 20, 6).is_integer() for one in steps)


@pytest.mark.parametrize("faces", [3, 5, 6, 9, 10, 12, 15])
@pytest.mark.parametrize("classes", [2, 4])
def test_no_class_has_none_or_all_for_certain(faces: int, classes: int) -> None:
    """Of all groups that are told alike, each class may be shown by somebody, and none by all."""
    alike: dict[tuple[tuple[int, int], ...], list[tuple[int, ...]]] = {}
    for counts in itertools.product(range(faces + 1), repeat=classes):
        if sum(counts) == faces:
            found = tuple(ranges(np.array(counts) / faces, faces))
            assert all(low <= one <= high for one, (low, high) in zip(counts, found, strict=True))
            shares = inside(found, faces)
            assert shares.sum() == pytest.approx(1)
            assert shares.min() > 0
            assert shares.max() < 1
            alike.setdefault(found, []).append(counts)
    for some in alike.values():
        most = np.max(some, axis=0)
        assert most.min() >= 1
        assert np.min(some, axis=0).max() < faces


def test_five_who_show_the_same_are_told_as_four() -> None:
    """Nor does anything that is derived tell whether one shows something else."""
    same, one = (
        told([all_show("happy", 4) | {"f4": odd}] * 5, index="sharma2019")[-1]
        for odd in ("happy", "angry")
    )
    assert same == one
    assert same.counts == {name: (4, 5) if name == "happy" else (0, 1) for name in EMOTIONS}
    assert same.shares is not None
    assert same.shares["happy"] == pytest.approx((4 + 1 / 7) / 5, abs=1e-4)
    assert same.valence == pytest.approx(0.6, abs=0.05)
    assert same.confidence is None


def test_confidence_and_expected_valence() -> None:
    measures = Measures(EMOTIONS)
    row = measures.of(reading("happy", sure=0.7))
    rest = 0.05 * sum(value for name, value in VALENCE.items() if name != "happy")
    assert measures.confidence(row) == pytest.approx(0.7)
    assert measures.valence(row) == pytest.approx(0.7 * 0.81 + rest, abs=1e-6)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_lengths_that_are_none(seconds: float) -> None:
    with pytest.raises(ValueError, match="longer than 0"):
        Aggregator(Measures(EMOTIONS), seconds=seconds)
