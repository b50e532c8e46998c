"""No single face can be worked out of what is told: by whoever sees all windows of a session."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.group_privacy import attacked, scenes, told_of
from fer.live.aggregation import Cohort, Window
from fer.live.aggregation.cohort import REST
from tests.support.readings import told

FACES = [f"f{n}" for n in range(40)]
LEAST = 5


def some(count: int, label: str = "neutral", start: int = 0) -> dict[str, str]:
    return dict.fromkeys(FACES[start : start + count], label)


def sums(window: Window) -> np.ndarray:  # type: ignore[type-arg]
    """What an attacker computes: how many faces show each emotion, and their valence."""
    assert window.shares is not None
    assert window.valence is not None
    return window.faces * np.array([*window.shares.values(), window.valence])


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_faces(count: int) -> None:
    windows = told([some(count, "happy")] * 20)
    assert len(windows) == 20
    for one in windows:
        assert one.faces_median == count
        assert one.withheld == ("few" if count else "nobody")
        assert (one.shares, one.valence, one.volatility, one.confidence) == (None,) * 4
        assert (one.faces, one.read, one.generation) == (0, 0, 0)


def test_enough_faces() -> None:
    windows = told([some(3, "happy") | some(2, "sad", 3)] * 20)
    assert [one.withheld for one in windows[:3]] == ["changing", "changing", ""]
    assert not any(one.withheld for one in windows[2:])
    assert windows[-1].counts is not None
    assert windows[-1].counts["happy"] == windows[-1].counts["sad"] == (2, 3)
    assert windows[-1].counts["angry"] == (0, 1)


#: Before and after, and how many windows are told.
CHANGES = {
    "one of six leaves": (some(5) | {"odd": "angry"}, some(5), {8, 38}),
    "one of eleven leaves": (some(10) | {"odd": "angry"}, some(10), {38}),
    "one comes": (some(5), some(5) | {"odd": "angry"}, {38}),
    "one takes the place of another": (
        some(5) | {"a": "angry"}, some(5) | {"b": "happy"}, {8, 38}
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", CHANGES)
def test_one_comes_or_leaves(name: str, seed: int) -> None:
    """Nothing to subtract, whomever the lot fell on: the same is told, or nothing."""
    before, after, counts = CHANGES[name]
    windows = told([before] * 10 + [after] * 30, cohort=Cohort(LEAST, lot=Random(seed)))
    assert [one.faces_median for one in windows] == [len(before)] * 10 + [len(after)] * 30
    open_ = [one for one in windows if not one.withheld]
    assert len(open_) in counts
    assert {tuple(sums(one)) for one in open_} == {tuple(sums(open_[0]))}
    assert {one.faces % LEAST for one in open_} == {0}


def test_the_same_people_under_other_names() -> None:
    """All turn away, and come back under other names: sums over six and then over five."""
    for count, wait, faces in (
        (5, 5, 0), (8, 5, 0), (6, 5, 0), (6, round(REST), 5), (5, round(REST), 0), (11, 5, 10),
    ):  # fmt: skip
        windows = told(
            [some(5) | {"odd": "angry"}] * 10 + [{}] * wait + [some(count, "sad", 20)] * 20
        )
        after = windows[10 + wait :]
        assert after[-1].faces == faces
        assert faces or {one.withheld for one in after} == {"changing"}


def test_changes_of_a_few_are_not_told() -> None:
    """Six of whom four leave: what changes then is said by the two who stay."""
    windows = told([some(6)] * 10 + [some(2, "happy")] * 20)
    assert all(one.withheld for one in windows[10:])
    windows = told([some(20)] * 10 + [some(6, "happy")] * 20)
    assert all(one.withheld for one in windows[10:12])
    assert (windows[-1].faces, windows[-1].read) == (5, 5)


def test_uncertain_faces_are_as_if_away() -> None:
    frames = [some(10)] * 10 + [some(9) | {FACES[9]: "uncertain"}] * 20
    windows = told(frames)
    assert len({tuple(sums(one)) for one in windows if not one.withheld}) == 1
    assert (windows[-1].faces_median, windows[-1].faces, windows[-1].read) == (10, 10, 9)
    assert all(one.withheld == "few" for one in told([some(4) | {"odd": "uncertain"}] * 9))


def test_many_come_and_many_leave() -> None:
    windows = told(
        [some(20, "sad")] * 10
        + [some(20, "sad") | some(5, "happy", 20)] * 200
        + [some(15, "sad") | some(5, "happy", 20)] * 200
    )
    assert [windows[n].faces for n in (9, 209, 409)] == [20, 25, 20]
    assert [windows[n].shares["happy"] for n in (9, 209, 409)] == [0, 0.2, 0.25]  # type: ignore[index]
    assert len({one.generation for one in windows if not one.withheld}) == 1


def test_mostly_other_faces_are_another_generation() -> None:
    both = told([some(10)] * 10 + [some(10, "sad", 10)] * round(REST + 10))
    told_of = [one for one in both if not one.withheld]
    assert [told_of[0].generation, told_of[-1].generation] == [1, 2]


def signed_sums(vectors: list[np.ndarray]) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Return all that comes of adding and subtracting some of these."""
    signs = itertools.product((-1, 0, 1), repeat=len(vectors))
    return [sum((s * one for s, one in zip(some, vectors, strict=True)), 0) for some in signs]  # type: ignore[misc]


PEOPLE = 17
room = st.sets(st.integers(0, PEOPLE - 1), max_size=PEOPLE)
#: Who is in sight, for how many windows, who has lost their name before, and for how long nobody
#: was in sight then, in seconds.
scene = st.tuples(room, st.integers(1, 6), room, st.sampled_from([0, 0, 0, 10, 130]))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(scene, min_size=2, max_size=10), st.integers(0, 2**16))
def test_no_sums_differ_by_few_people(
    story: list[tuple[set[int], int, set[int], int]], seed: int
) -> None:
    """Of people, whatever their names: joins, leaves, returns, and draws again."""
    cohort = Cohort(LEAST, lot=Random(seed))
    names = [f"{person}:0" for person in range(PEOPLE)]
    values: dict[str, float] = {}
    draws: list[tuple[np.ndarray, int, dict[str, float]]] = []  # type: ignore[type-arg]
    time, before = 0.0, frozenset[str]()
    for number, (present, count, renamed, pause) in enumerate(story, 1):
        time += pause
        for person in renamed:
            names[person] = f"{person}:{number}"
        for _ in range(count):
            time += 2
            read = {names[person]: np.zeros(1) for person in present}
            group = cohort.step(read, read.keys(), time)
            values |= dict.fromkeys(read, time)
            if group is None:
                continue
            members = cohort.members
            assert group.size == len(members)
            assert group.read == len(members & read.keys()) >= LEAST
            counted = np.bincount([int(one.split(":")[0]) for one in members], minlength=PEOPLE)
            assert counted.max() == 1, "nobody is counted twice"
            if members != before:
                for _, pool, _ in draws:
                    assert pool == len(present) or abs(pool - len(present)) >= LEAST
                recent = [
                    people for people, _, last in draws
                    if sum(time - one >= REST for one in last.values()) < LEAST
                ]  # fmt: skip
                for other in signed_sums(recent):
                    assert np.abs(counted - other).sum() >= LEAST
                draws.append((counted, len(present), {}))
                before = members
            draws[-1][2].update({name: values[name] for name in members})


def rows(frames: list[dict[str, str]]) -> Iterator[tuple[frozenset[str], bool]]:
    """Yield who is counted after each window, and whether they are told."""
    cohort = Cohort(LEAST, lot=Random(0))
    for number, frame in enumerate(frames, 1):
        read = {name: np.zeros(1) for name, label in frame.items() if label != "uncertain"}
        group = cohort.step(read, frame.keys(), 2.0 * number)
        yield cohort.members, group is not None


def test_old_values_that_two_draws_share_give_nobody_away() -> None:
    """Five; ten with them; the first leave: ten less five are the others as they are now.

    Those less five others, drawn at once, would be two people.
    """
    here, stay = some(5, start=0), some(5, start=5)
    crowd = stay | some(2, start=20)  # Of seven nobody draws.
    exchanged = some(4, start=5) | some(1, start=30)
    frames = [here] * 5 + [here | stay] * 5 + [crowd] * 65 + [exchanged] * 70
    seen = list(rows(frames))
    assert [len(seen[n][0]) for n in (4, 9, 60)] == [5, 10, 10]
    assert [n for n in range(10, 75) if not seen[n][1]], "withheld while the first are known"
    last = max(n for n in range(75) if seen[n][1])
    first = min(n for n in range(75, 145) if seen[n][1])
    assert seen[first][0] == frozenset(exchanged)
    assert 2 * (first - last) >= REST


def test_a_draw_that_is_read_again_is_recent_again() -> None:
    """Five of ten can't be read for two minutes, and then can: at once, one is exchanged."""
    hidden = some(5, "uncertain", start=5)
    crowd = some(5) | some(2, start=20)
    again = crowd | some(5, start=5)
    exchanged = some(9) | some(1, start=30)
    seen = list(rows([some(10)] * 5 + [crowd | hidden] * 70 + [again] + [exchanged] * 30))
    assert seen[75] == (frozenset(some(10)), True)
    assert not any(exchanged.keys() <= members for members, _ in seen)


@pytest.mark.parametrize("name", scenes(0))
def test_an_observer_learns_nothing_of_who_comes(name: str) -> None:
    """Labels as an observer reads them out of what is told: before, right in 40 to 70 %."""
    assert attacked(name, away=4, sessions=15) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", scenes(0))
def test_an_observer_learns_nothing_of_a_thousand(name: str) -> None:
    assert attacked(name, away=4, sessions=1000) == (0, 0)


def test_enough_is_told_of_a_restless_class() -> None:
    """The rules leave the purpose alive: each is lost and found about twice in twenty minutes."""
    told_share, read, most = told_of(25, sessions=1, windows=600)
    assert told_share > 0.95
    assert read > 0.6
    assert most <= 25


def test_a_minimum_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        Cohort(2)
