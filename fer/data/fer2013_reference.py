"""What evaluations need to know of FER2013: its split names, copies, and the votes of FER+."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS, FERPLUS
from fer.data._hashing import pixel_hash
from fer.data.source import SPLITS, DataError, Faces, Source, WrappedSource
from fer.data.sources.archives import first_file
from fer.data.sources.fer2013 import Fer2013
from fer.data.sources.fer2013_csv import USAGES
from fer.data.sources.ferplus import (
    FerPlus,
    check_usage,
    join_votes,
    look_up,
    majority_vote,
    read_votes,
    vote_places,
)

#: Rows of ``fer2013.csv``.
FACES: Final = 35_887

_OFFICIAL: Final = dict(zip(SPLITS, USAGES, strict=True))


def split_names(source: Source) -> Mapping[str, str]:
    """Return what a source's own users call its splits: FER2013's official names, or ours."""
    if isinstance(_innermost(source), Fer2013 | FerPlus):
        return _OFFICIAL
    return {name: name for name in SPLITS}


def has_earlier_copy(faces: Faces) -> npt.NDArray[np.bool_]:
    """Return which (unscaled) test faces have the pixels of one in train or val, bool ``[N]``."""
    seen = {
        pixel_hash(image)
        for name in ("train", "val")
        if name in faces.splits
        for image in faces.splits[name].images
    }
    test = faces.splits["test"].images
    return np.fromiter((pixel_hash(image) in seen for image in test), np.bool_, len(test))


class WithOfficialRows(WrappedSource):
    """FER2013 as pictures with the rows of ``fer2013.csv``, told by a manifest of its pixels.

    A picture whose pixels the manifest does not know gets a row behind those of the file. Anything
    else stays as it is.
    """

    def load(self) -> Faces:
        """Return the faces.

        Raises:
            DataNotFoundError: there is no such manifest.
            DataError: it is not a manifest, most of the pixels are unknown to it, or the data is
                broken.
        """
        faces, inner = self.source.load(), _innermost(self)
        if not isinstance(inner, Fer2013 | FerPlus) or not faces.names or inner.manifest is None:
            return faces
        found, _ = look_up(faces, inner.manifest)
        names, splits = dict[int, str](), {}
        for name, split in faces.splits.items():
            rows = np.where(found[name] < 0, FACES + split.rows, found[name])
            files = [faces.names[row] for row in split.rows.tolist()]
            names |= zip(rows.tolist(), files, strict=True)
            splits[name] = replace(split, rows=rows)
        listed = [names.get(row, "") for row in range(max(names) + 1)]
        return replace(faces, splits=splits, names=listed)


def check_rows_tell(source: Source, faces: Faces) -> None:
    """Check that a row names the same face for everybody, so that answers can be joined by it.

    Raises:
        DataError: they are FER2013 as folders of pictures, of which no manifest tells the rows of
            ``fer2013.csv``.
    """
    inner = _innermost(source)
    if not isinstance(inner, Fer2013 | FerPlus) or not faces.names:
        return
    if inner.manifest is None:
        raise DataError(
            f"{faces.origin} is FER2013 as pictures, whose places are not the rows of fer2013.csv "
            "that answers are joined by: use FER2013 as a CSV file, or name a manifest of its "
            "pixels by data.manifest=FILE"
        )
    if unknown := sum(int((split.rows >= FACES).sum()) for split in faces.splits.values()):
        raise DataError(
            f"{faces.origin}: {inner.manifest} does not know the pixels of {unknown:,} of its "
            "pictures, so that answers can't be joined to them by row: use FER2013 as a CSV file"
        )


@dataclass(frozen=True, slots=True)
class AnnotatorVotes:
    """What FER+'s ten people say of each row of ``fer2013.csv``.

    Attributes:
        counts: int64 ``[R, 10]``, votes in the order of :data:`fer.core.labels.FERPLUS`.
        winner: int64 ``[R]``, the position in :data:`fer.core.labels.EMOTIONS` of the single
            highest number of votes among the ten; -1 where it is tied or for none of the seven.
        guess: int64 ``[R]``, the same with the first of tied columns; -1 where that is none of the
            seven, or nobody voted.
    """

    counts: npt.NDArray[np.int64]
    winner: npt.NDArray[np.int64]
    guess: npt.NDArray[np.int64]
    sha256: str


def read_annotator_votes(source: Source, faces: Faces) -> AnnotatorVotes:
    """Return the votes that lie next to FER2013.

    Raises:
        DataError: there are none for this data; the message says why.
    """
    inner = _innermost(source)
    if isinstance(inner, FerPlus):
        raise DataError("the labels are FER+'s own votes, which can't contradict themselves")
    if not isinstance(inner, Fer2013):
        raise DataError("only FER2013 has the votes of FER+")
    if faces.names and inner.manifest is None:
        raise DataError(
            "the votes belong to rows of fer2013.csv, which pictures in folders do not tell; a "
            "manifest of its pixels does, data.manifest=FILE"
        )
    places = vote_places(inner.find())
    path = first_file(places)
    if path is None:
        raise DataError(f"the votes of FER+ ({places[0].name}) are not beside {faces.origin}")
    votes = read_votes(path)
    if faces.names:
        rows = {name: split.rows for name, split in faces.splits.items()}
        for name, some in rows.items():
            check_usage(name, some[some < FACES], votes, path)
        # Pictures that the manifest does not know have rows behind the table's, and no votes.
        more = int(np.concatenate(list(rows.values())).max()) + 1 - len(votes.counts)
        counts = np.pad(votes.counts, ((0, max(0, more)), (0, 0)))
    else:
        join_votes(faces, votes, path)
        counts = votes.counts
    # Who left a picture out of FER+ gave it no votes, so that it has no winner either.
    found = majority_vote(counts, np.ones(len(counts), dtype=np.bool_), EMOTIONS)
    winner = np.where(found.reasons == "", found.labels, -1)
    ours = [EMOTIONS.index(m) if m in EMOTIONS else -1 for m in FERPLUS.values()]
    guess = np.where(counts.any(axis=1), np.array(ours)[counts.argmax(axis=1)], -1)
    return AnnotatorVotes(counts, winner, guess, votes.sha256)


def annotator_votes_or_reason(source: Source, faces: Faces) -> tuple[AnnotatorVotes | None, str]:
    """Return the votes of FER+ on this data, or why there are none."""
    try:
        return read_annotator_votes(source, faces), ""
    except DataError as error:
        return None, str(error)


def _innermost(source: Source) -> object:
    """Return the source that reads the faces, below those that clean them or add to them."""
    inner: object = source
    while hasattr(inner, "source"):
        inner = inner.source
    return inner
