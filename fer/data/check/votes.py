"""Compare a data set's labels with FER+'s votes on the same faces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer.core.labels import FERPLUS
from fer.data.check.report import Agreement, Tally
from fer.data.source import DataNotFoundError, Faces
from fer.data.sources.archives import first_file
from fer.data.sources.ferplus import (
    MajorityLabels,
    join_votes,
    majority_vote,
    read_votes,
    vote_places,
)


@dataclass(frozen=True, slots=True)
class SplitVotes:
    """FER+'s votes on the faces of a data set.

    Attributes:
        verdicts: by split, what the votes of each face come to.
        named: by split, bool ``[N]``; false where FER+ left the face out, or does not know it.
        answers: by split, int64 ``[N]``, the class with the most of the ten votes, the first of
            equals; -1 where that is none of the classes.
    """

    verdicts: dict[str, MajorityLabels]
    named: dict[str, npt.NDArray[np.bool_]]
    answers: dict[str, npt.NDArray[np.int64]]


def find_crowd(faces: Faces, votes: Path | None, manifest: Path | None) -> SplitVotes | None:
    """Read the votes on FER2013's faces, where there are any.

    Args:
        faces: FER2013, as its source gave them.
        votes: the table of votes; None to look for it beside the faces.
        manifest: which pixels are which row, needed for folders of pictures.

    Returns:
        None where no votes lie beside the faces, or where they can't be joined because a
        manifest is missing.

    Raises:
        DataNotFoundError: ``votes`` or ``manifest`` is not there.
        DataError: a file is broken, or does not belong to these faces.
    """
    if votes is not None and not votes.is_file():
        raise DataNotFoundError(f"there are no votes {votes}; FER+'s table is fer2013new.csv")
    path = votes or first_file(vote_places(Path(faces.origin)))
    if path is None or (votes is None and faces.names and manifest is None):
        return None
    table = read_votes(path)
    rows, _ = join_votes(faces, table, path, manifest)
    meanings = list(FERPLUS.values())
    class_of = np.array([faces.classes.index(m) if m in faces.classes else -1 for m in meanings])
    verdicts, named, answers = {}, {}, {}
    for split, found in rows.items():
        place = np.maximum(found, 0)
        named[split] = table.named[place] & (found >= 0)
        judged = majority_vote(table.counts[place], named[split], faces.classes)
        reasons = np.where(found >= 0, judged.reasons, "not in manifest")
        verdicts[split] = replace(judged, reasons=reasons)
        answers[split] = class_of[table.counts[place].argmax(axis=1)]
    return SplitVotes(verdicts, named, answers)


def agreement(faces: Faces, crowd: SplitVotes) -> dict[str, Agreement]:
    """Count, by split and class, how often the crowd's answer is the label."""
    result = {}
    for name, split in faces.splits.items():
        named, clear = crowd.named[name], crowd.verdicts[name].reasons == ""
        agreed = crowd.answers[name] == split.labels
        result[name] = Agreement(
            faces=_by_class(faces, split.labels[named]),
            agreed=_by_class(faces, split.labels[named & agreed]),
            clear=int(clear.sum()),
            clear_agreed=int((clear & agreed).sum()),
        )
    return result


def unusable(faces: Faces, crowd: SplitVotes) -> dict[str, Tally]:
    """Return the faces that FER+ left out, and those of which most said unknown or no face."""
    found = {"unnamed": "unnamed", "no_face": "no face"}
    return {
        kind: Tally(
            {
                name: split.rows[crowd.verdicts[name].reasons == reason].tolist()
                for name, split in faces.splits.items()
            }
        )
        for kind, reason in found.items()
    }


def _by_class(faces: Faces, labels: npt.NDArray[np.int64]) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(faces.classes)).tolist()
    return dict(zip(faces.classes, counts, strict=True))
