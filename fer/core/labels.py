"""The one table of emotions: order, names, aliases and each data set's mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

#: The seven emotions in the order of FER2013's label numbers (Goodfellow et al. 2013).
EMOTIONS: Final[tuple[str, ...]] = (
    "angry",
    "disgust",
    "fear",
    "happy",
    "sad",
    "surprise",
    "neutral",
)

#: Other words for the same seven emotions, as folder names and papers spell them. "Contempt" is
#: deliberately absent: some papers write it where FER2013 has "disgust", but FER+ has a real
#: contempt class, so treating it as an alias would mislabel faces.
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "anger": "angry",
        "rage": "angry",
        "disgusted": "disgust",
        "afraid": "fear",
        "fearful": "fear",
        "happiness": "happy",
        "joy": "happy",
        "sadness": "sad",
        "sorrow": "sad",
        "surprised": "surprise",
    }
)

#: FER2013's label column, 0 to 6, is the position in :data:`EMOTIONS`.
FER2013: Final[Mapping[int, str]] = MappingProxyType(dict(enumerate(EMOTIONS)))

#: FER+'s vote columns, in its order, and the class that each is a vote for (Barsoum et al. 2016);
#: ``None``: the picture cannot be read, or shows no face.
FERPLUS: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        "neutral": "neutral",
        "happiness": "happy",
        "surprise": "surprise",
        "sadness": "sad",
        "anger": "angry",
        "disgust": "disgust",
        "fear": "fear",
        "contempt": "contempt",
        "unknown": None,
        "NF": None,
    }
)


def canonical(name: str) -> str:
    """Return the project's name of an emotion, whatever case or common synonym it is given in.

    Raises:
        ValueError: the name is none of the seven emotions nor a synonym of one.

    Example:
        >>> canonical("Happiness")
        'happy'
    """
    word = name.strip().lower()
    word = ALIASES.get(word, word)
    if word not in EMOTIONS:
        near = get_close_matches(word, [*EMOTIONS, *ALIASES], n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"unknown emotion {name!r}{hint}; the seven are {', '.join(EMOTIONS)}")
    return word


def classes_of(
    train: Iterable[str], others: Iterable[str] = ()
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the classes of a data set, and the class that each of its words means.

    Where the words of the training split are the seven emotions or synonyms of them, the classes
    are the emotions in the project's order. Otherwise each word is a class, and they are sorted.

    Args:
        train: the words that label training faces.
        others: those of the other splits; the ones that mean none of the classes are left out.

    Example:
        >>> classes_of(["joy", "sad"], ["sad", "angry"])
        (('joy', 'sad'), {'joy': 'joy', 'sad': 'sad'})
    """
    train = {*train}
    words = train.union(others)
    emotion_of = {word: ALIASES.get(plain := word.strip().lower(), plain) for word in words}
    if {emotion_of[word] for word in train} == {*EMOTIONS}:
        return EMOTIONS, {w: emotion for w, emotion in emotion_of.items() if emotion in EMOTIONS}
    return tuple(sorted(train)), {word: word for word in words & train}


def is_basic_seven(names: Sequence[str]) -> bool:
    """Say whether ``names`` are exactly the seven emotions, in the project's order.

    Example:
        >>> is_basic_seven(EMOTIONS), is_basic_seven(("cat", "dog"))
        (True, False)
    """
    return tuple(names) == EMOTIONS
