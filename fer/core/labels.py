"""The emotions: order, names, synonyms and each data set's mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

#: The seven emotions in the order of FER2013's label numbers (Goodfellow et al. 2013).
EMOTIONS: Final[tuple[str, ...]] = (
    "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"
)  # fmt: skip

#: Synonyms in folder names and papers. "Contempt" is deliberately absent: some papers write it for
#: FER2013's "disgust", but it is a class of its own in FER+.
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
    """Return the project's name of an emotion, given in any case or as a common synonym.

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

    Where the words of the training split are all seven emotions or synonyms of them, the classes
    are the emotions in the project's order. Otherwise each word is a class, sorted. Words of the
    ``others`` splits that mean none of the classes are left out.

    Example:
        >>> classes_of(["joy", "sad"], ["sad", "angry"])[0]
        ('joy', 'sad')
    """
    train = {*train}
    words = train.union(others)
    emotion_of = {word: ALIASES.get(plain := word.strip().lower(), plain) for word in words}
    if {emotion_of[word] for word in train} == {*EMOTIONS}:
        return EMOTIONS, {w: emotion for w, emotion in emotion_of.items() if emotion in EMOTIONS}
    return tuple(sorted(train)), {word: word for word in words & train}


def is_basic_seven(names: Sequence[str]) -> bool:
    """Return True if ``names`` are exactly the seven emotions, in the project's order.

    Example:
        >>> is_basic_seven(EMOTIONS), is_basic_seven(("cat", "dog"))
        (True, False)
    """
    return tuple(names) == EMOTIONS
