"""No single face can be worked out of what is told: by whoever sees all windows of a session."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from random import Random

import numpy as np
import pytest

from fer.labels import EMOTIONS
from fer.live.aggregation import Cohort, Window
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
        assert one.heads == count
        assert one.withheld == ("few" if count else "nobody")
        assert (one.shares, one.valence, one.volatility, one.confidence) == (None,) * 4
        assert (one.faces, one.read, one.generation) == (0, 0, 0)


def test_enough_faces() -> None:
    windows = told([some(3, "happy") | some(2, "sad", 3)] * 20)
    assert [one.withheld for one in windows[:3]] == ["changing", "changing", ""]
    assert not any(one.withheld for one in windows[2:])
    assert windows[-1].shares is not None
    assert windows[-1].shares["happy"] == 0.6
    assert windows[-1].valence == pytest.approx(0.6 * 0.81 - 0.4 * 0.63, abs=0.026)


@pytest.mark.parametrize("seed", range(12))
def test_one_leaves(seed: int) -> None:
    """The attack of the six and then five, whether or not the lot fell on the one who leaves."""
    frames = [some(5) | {"odd": "angry"}] * 10 + [some(5)] * 30
    windows = told(frames, cohort=Cohort(LEAST, lot=Random(seed)))
    assert [one.heads for one in windows] == [6] * 10 + [5] * 30
    open_ = [one for one in windows if not one.withheld]
    assert len(open_) in {8, 38}
    # Nothing to subtract: of five drawn by lot, or withheld.
    assert {tuple(sums(one)) for one in open_} == {tuple(sums(open_[0]))}
    assert {one.faces for one in open_} == {5}


def test_one_of_many_leaves() -> None:
    windows = told([some(10) | {"odd": "angry"}] * 10 + [some(10)] * 30)
    open_ = [one for one in windows if not one.withheld]
    # Whoever left still counts with what it showed.
    assert len(open_) == 38
    assert {tuple(sums(one)) for one in open_} == {tuple(sums(open_[0]))}


def test_one_comes() -> None:
    windows = told([some(5)] * 10 + [some(5) | {"odd": "angry"}] * 30)
    open_ = [one for one in windows if not one.withheld]
    assert len(open_) == 38
    assert {tuple(sums(one)) for one in open_} == {tuple(sums(open_[0]))}


def test_one_takes_the_place_of_another() -> None:
    frames = [some(5) | {"a": "angry"}] * 10 + [some(5) | {"b": "happy"}] * 30
    assert len({tuple(sums(one)) for one in told(frames) if not one.withheld}) == 1


def test_the_same_people_under_other_names() -> None:
    """All turn away, and five of six come back: sums over six and then over five."""
    again = dict.fromkeys(FACES[10:15], "neutral")
    windows = told([some(5) | {"odd": "angry"}] * 10 + [{}] * 5 + [again] * 40)
    assert all(one.withheld for one in windows[10:])
    assert {one.withheld for one in windows[20:]} == {"changing"}
    # From six again it can begin, and from eleven; of eight, from six that are drawn by lot.
    for count, faces in ((6, 5), (8, 5), (11, 10)):
        more = told([some(6)] * 10 + [{}] * 5 + [some(count, "sad", 20)] * 20)
        assert not more[-1].withheld
        assert more[-1].faces == faces


def test_changes_of_a_few_are_not_told() -> None:
    """Six of whom four leave: what changes then is said by the two who stay."""
    windows = told([some(6)] * 10 + [some(2, "happy")] * 20)
    assert all(one.withheld for one in windows[10:])
    windows = told([some(20)] * 10 + [some(6, "happy")] * 20)
    assert all(one.withheld for one in windows[10:12])
    assert (windows[-1].faces, windows[-1].read) == (10, 6)


def test_uncertain_faces_are_as_if_away() -> None:
    frames = [some(10)] * 10 + [some(9) | {FACES[9]: "uncertain"}] * 20
    windows = told(frames)
    assert len({tuple(sums(one)) for one in windows if not one.withheld}) == 1
    assert (windows[-1].heads, windows[-1].faces, windows[-1].read) == (10, 10, 9)
    assert all(one.withheld == "few" for one in told([some(4) | {"odd": "uncertain"}] * 9))


def test_a_block_comes_and_a_block_leaves() -> None:
    windows = told(
        [some(10, "sad")] * 10
        + [some(10, "sad") | some(5, "happy", 10)] * 10
        + [some(5, "sad") | some(5, "happy", 10)] * 10
    )
    assert [windows[n].faces for n in (9, 19, 29)] == [10, 15, 10]
    assert [windows[n].shares["happy"] for n in (9, 19, 29)] == [0, 0.35, 0.5]  # type: ignore[index]
    assert len({one.generation for one in windows if not one.withheld}) == 1


def test_mostly_other_faces_are_another_generation() -> None:
    both = told([some(10)] * 10 + [some(10, "sad", 10)] * 20)
    told_of = [one for one in both if not one.withheld]
    assert [told_of[0].generation, told_of[-1].generation] == [1, 2]


class Witness(Cohort):
    """Writes down whose sums were told."""

    def __init__(self, least: int, seed: int) -> None:
        super().__init__(least, lot=Random(seed))
        self.released: list[frozenset[str]] = []

    def step(self, read, alive):  # type: ignore[no-untyped-def]
        group = super().step(read, alive)
        if group is not None:
            self.released.append(self.members)
            assert group.read >= self.least
            assert len(self.members & read.keys()) == group.read
        return group


def blocks(released: Iterable[frozenset[str]]) -> list[set[str]]:
    """Return the sets of faces that no sum told apart."""
    rows = sorted(set(released), key=sorted)
    names = sorted(frozenset().union(*rows))
    found: dict[tuple[bool, ...], set[str]] = {}
    for name in names:
        found.setdefault(tuple(name in row for row in rows), set()).add(name)
    return list(found.values())


def comings_and_goings(seed: int, count: int, people: int) -> Sequence[dict[str, str]]:
    """Return frames in which people come, go, turn away, and get new names when they return."""
    random = Random(seed)
    restless = random.choice([0.01, 0.05, 0.2])
    names = itertools.count()
    present: dict[int, str] = {}
    frames = []
    for _ in range(count):
        for person in range(people):
            if random.random() < restless:
                if person in present:
                    del present[person]
                else:
                    present[person] = f"t{next(names)}"
            elif person not in present and random.random() < 0.3:
                present[person] = f"t{next(names)}"
        frames.append({name: random.choice(EMOTIONS) for name in present.values()})
    return frames


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_sums_are_of_blocks(seed: int) -> None:
    """All that can be added and subtracted from what is told are sums over at least five faces."""
    people = [6, 8, 12, 25][seed % 4]
    witness = Witness(LEAST, seed)
    windows = told(comings_and_goings(seed, 250, people), cohort=witness)
    assert all((one.shares is None) == bool(one.withheld) for one in windows)
    if not witness.released:
        return
    assert min(len(block) for block in blocks(witness.released)) >= LEAST
    # Sizes of all of them, and so of all that can be made of them, are multiples of five.
    assert all(len(block) % LEAST == 0 for block in blocks(witness.released))
    assert all(len(one) % LEAST == 0 for one in witness.released)


def test_enough_is_told_of_a_restless_class() -> None:
    """The rule leaves the purpose alive."""
    random = Random(1)
    names = itertools.count(100)
    present = {n: f"t{n}" for n in range(25)}
    frames = []
    for _ in range(600):
        for person in list(present):
            # Each is lost about twice in twenty minutes.
            if random.random() < 2 / 600:
                present[person] = f"t{next(names)}"
        frames.append(dict.fromkeys(present.values(), "neutral"))
    windows = told(frames)
    assert sum(not one.withheld for one in windows) > 0.9 * len(windows)
    assert np.mean([one.read / one.faces for one in windows if one.faces]) > 0.5


def test_a_minimum_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        Cohort(2)
