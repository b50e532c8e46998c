"""The table of action units says what EMFACS says."""

from itertools import combinations

import pytest

from fer.core.labels import EMOTIONS
from fer.data.synthetic.action_units import ACTION_UNITS, PROTOTYPES, check_units, shared_units


def test_prototypes_are_those_of_emfacs() -> None:
    assert {name: sorted(prototype.units) for name, prototype in PROTOTYPES.items()} == {
        "angry": [4, 5, 7, 23],
        "disgust": [9, 15, 16],
        "fear": [1, 2, 4, 5, 7, 20, 26],
        "happy": [6, 12],
        "sad": [1, 4, 15],
        "surprise": [1, 2, 5, 26],
        "neutral": [],
    }


def test_every_emotion_has_a_prototype_of_drawn_units() -> None:
    assert set(PROTOTYPES) == set(EMOTIONS)
    for prototype in PROTOTYPES.values():
        assert prototype.units | prototype.optional <= set(ACTION_UNITS)
        assert not prototype.units & prototype.optional


def test_every_unit_is_some_emotions() -> None:
    used = frozenset().union(*(p.units | p.optional for p in PROTOTYPES.values()))
    assert used == set(ACTION_UNITS)


def test_units_are_filed_under_their_number() -> None:
    assert all(number == unit.number for number, unit in ACTION_UNITS.items())
    assert ACTION_UNITS[12].name == "Lip Corner Puller"


@pytest.mark.parametrize(("first", "second"), list(combinations(EMOTIONS, 2)))
def test_no_two_emotions_look_the_same(first: str, second: str) -> None:
    assert PROTOTYPES[first].units != PROTOTYPES[second].units
    assert shared_units(first, second) == shared_units(second, first)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("fear", "surprise", {1, 2, 5, 26}),
        ("fear", "angry", {4, 5, 7}),
        ("sad", "disgust", {15}),
        ("happy", "neutral", set()),
    ],
)
def test_shared_units(first: str, second: str, shared: set[int]) -> None:
    assert shared_units(first, second) == shared


def test_shared_units_of_an_unknown_emotion() -> None:
    with pytest.raises(ValueError, match="no prototype for 'contempt'"):
        shared_units("happy", "contempt")


def test_check_units() -> None:
    check_units({})
    check_units({1: 0.0, 26: 1.0})
    with pytest.raises(ValueError, match=r"unknown action units \[3, 99\]"):
        check_units({99: 0.5, 3: 0.5, 1: 0.5})
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            check_units({1: value})
