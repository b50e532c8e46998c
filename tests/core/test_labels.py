"""The one table of emotions agrees with itself and with FER2013's numbers."""

from __future__ import annotations

import pytest

from fer.core.labels import ALIASES, EMOTIONS, FER2013, canonical, is_basic_seven


def test_the_order_is_that_of_fer2013() -> None:
    # The numbers of the Kaggle challenge; changing them would relabel every trained model.
    assert dict(FER2013) == {
        0: "angry",
        1: "disgust",
        2: "fear",
        3: "happy",
        4: "sad",
        5: "surprise",
        6: "neutral",
    }
    assert tuple(FER2013.values()) == EMOTIONS


@pytest.mark.parametrize("name", EMOTIONS)
def test_a_name_is_its_own(name: str) -> None:
    assert canonical(name) == canonical(f"  {name.upper()} ") == name


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_leads_to_a_name_and_is_none(alias: str, name: str) -> None:
    assert canonical(alias) == canonical(alias.title()) == name
    assert name in EMOTIONS
    assert alias not in EMOTIONS
    assert alias == alias.strip().lower()


@pytest.mark.parametrize(("word", "hint"), [("hapy", "'happy'"), ("Suprise", "'surprise'")])
def test_an_unknown_word_is_refused_with_what_was_meant(word: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"unknown emotion '{word}'.*did you mean {hint}"):
        canonical(word)


@pytest.mark.parametrize("word", ["contempt", "", "7", "xyzzy"])
def test_what_is_none_of_the_seven_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="angry, disgust, fear, happy, sad"):
        canonical(word)


def test_the_seven_are_recognised_in_their_order_only() -> None:
    assert is_basic_seven(EMOTIONS)
    assert is_basic_seven(list(EMOTIONS))
    assert not is_basic_seven(EMOTIONS[::-1])
    assert not is_basic_seven(EMOTIONS[:6])
    assert not is_basic_seven((*EMOTIONS, "contempt"))
