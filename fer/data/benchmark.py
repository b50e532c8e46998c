"""What a judgement on a data set needs to know of it: its split names, copies, and the crowd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.data._archive import first_file
from fer.data._csv import USAGES
from fer.data._hashing import pixel_hash
from fer.data._votes import judge, read_votes
from fer.data.fer2013 import Fer2013
from fer.data.ferplus import FerPlus, join_votes, vote_places
from fer.data.source import SPLITS, DataError, Faces, Source
from fer.labels import EMOTIONS, FERPLUS

_OFFICIAL: Final = dict(zip(SPLITS, USAGES, strict=True))


def split_names(source: Source) -> Mapping[str, str]:
    """Return what a source's own users call its splits: FER2013's official names, or ours."""
    if isinstance(_innermost(source), Fer2013 | FerPlus):
        return _OFFICIAL
    return {name: name for name in SPLITS}


def has_earlier_copy(faces: Faces) -> npt.NDArray[np.bool_]:
    """Say which test faces have exactly the pixels of one in train or val.

    Args:
        faces: before they are scaled, which could make copies.

    Returns:
        bool ``[N]``.
    """
    seen = {
        pixel_hash(image)
        for name in ("train", "val")
        if name in faces.splits
        for image in faces.splits[name].images
    }
    test = faces.splits["test"].images
    return np.fromiter((pixel_hash(image) in seen for image in test), np.bool_, len(test))


def check_rows_tell(source: Source, faces: Faces) -> None:
    """Hold that a row names the same face for everybody, so that answers can be joined by it.

    Raises:
        DataError: they are FER2013 as folders of pictures, which have no rows of ``fer2013.csv``.
    """
    if isinstance(_innermost(source), Fer2013 | FerPlus) and faces.names:
        raise DataError(
            f"{faces.origin} is FER2013 as pictures, whose places are not the rows of fer2013.csv "
            "that answers are joined by: use FER2013 as a CSV file"
        )


@dataclass(frozen=True, slots=True)
class Crowd:
    """What FER+'s ten people say of each row of ``fer2013.csv``.

    Attributes:
        counts: int64 ``[R, 10]``, votes in the order of :data:`fer.labels.FERPLUS`.
        winner: int64 ``[R]``, the position in :data:`fer.labels.EMOTIONS` of the single highest
            number of votes among the ten; -1 where it is tied or for none of the seven.
        guess: int64 ``[R]``, the same with the first of tied columns; -1 where that is none of the
            seven, or nobody voted.
        sha256: of the table.
    """

    counts: npt.NDArray[np.int64]
    winner: npt.NDArray[np.int64]
    guess: npt.NDArray[np.int64]
    sha256: str


def read_crowd(source: Source, faces: Faces) -> Crowd:
    """Return the votes that lie beside FER2013.

    Raises:
        DataError: there are none for this data; the message says why.
        OSError: the table cannot be read.
    """
    inner = _innermost(source)
    if isinstance(inner, FerPlus):
        raise DataError("the labels are FER+'s own votes, which can't contradict themselves")
    if not isinstance(inner, Fer2013):
        raise DataError("only FER2013 has the votes of FER+")
    if faces.names:
        raise DataError("the votes belong to rows of fer2013.csv, which folders of pictures lack")
    places = vote_places(inner.find())
    path = first_file(places)
    if path is None:
        raise DataError(f"the votes of FER+ ({places[0].name}) are not beside {faces.origin}")
    votes = read_votes(path)
    join_votes(faces, votes, path)
    # Who left a picture out of FER+ gave it no votes, so that it has no winner either.
    found = judge(votes.counts, np.ones(len(votes.counts), dtype=np.bool_), EMOTIONS)
    winner = np.where(found.reasons == "", found.labels, -1)
    ours = [EMOTIONS.index(m) if m in EMOTIONS else -1 for m in FERPLUS.values()]
    guess = np.where(votes.counts.any(axis=1), np.array(ours)[votes.counts.argmax(axis=1)], -1)
    return Crowd(votes.counts, winner, guess, votes.sha256)


def _innermost(source: Source) -> object:
    """Return the source that reads the faces, below those that clean them or add to them."""
    inner: object = source
    while hasattr(inner, "source"):
        inner = inner.source
    return inner
