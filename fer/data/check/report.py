"""What a check of a data set found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fer.data.check.near_duplicates import NEAR
from fer.data.check.pictures import FEW_VALUES, FLAT_SHARE

#: What is counted, in the order of the tables, and how they call it.
KINDS: Final[Mapping[str, str]] = {
    "defective": "defective, unusable",
    "few_values": f"blank: at most {FEW_VALUES} grey values",
    "constant": "  of these, one grey value all over",
    "placeholders": f"likely placeholders: flat by {100 * FLAT_SHARE:.0f} % or more",
    "unnamed": "left out by FER+ as unusable",
    "no_face": "FER+ says unknown or no face",
    "copies": "exact copies",
    "redundant": "  of these, redundant",
    "spanning": "  of these, in several splits",
    "conflicting": "  of these, with conflicting labels",
    "near": "near copies, not exact",
    "near_spanning": "  of these, of a face in another split",
    "label_errors": "likely label errors",
}


def percent(part: int, whole: int) -> str:
    """Return a share in words for people.

    Example:
        >>> percent(288, 3589), percent(0, 0)
        ('8.0 %', '-')
    """
    return f"{100 * part / whole:.1f} %" if whole else "-"


@dataclass(frozen=True, slots=True)
class Tally:
    """The faces of which something is true.

    Attributes:
        rows: for each split that has some, their rows, rising; a broken row's split may be unknown
            and is then empty.
        groups: how many groups of copies they are, where they are groups.
    """

    rows: Mapping[str, Sequence[int]]
    groups: int | None = None

    @property
    def total(self) -> int:
        """How many faces."""
        return sum(map(len, self.rows.values()))


@dataclass(frozen=True, slots=True)
class NearCopy:
    """A face and the nearest face, other than exact copies, of one split."""

    row: int
    split: str
    other_row: int
    other_split: str
    correlation: float


@dataclass(frozen=True, slots=True)
class Leak:
    """How many faces of one split have a copy in others.

    Attributes:
        split: the split in question.
        inside: the splits that have the copies.
        faces: how many faces the split has.
        exact: how many of them have an exact copy there.
        alike: how many have an exact or a near copy there.
    """

    split: str
    inside: tuple[str, ...]
    faces: int
    exact: int
    alike: int


@dataclass(frozen=True, slots=True)
class LabelError:
    """A label that is likely wrong.

    Attributes:
        row: the face's row.
        split: its split.
        label: its label's name.
        likely: the class that the judging classifier gives the highest probability.
        confidence: the probability that the classifier gives the label.
    """

    row: int
    split: str
    label: str
    likely: str
    confidence: float


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """The labels that are likely wrong.

    Attributes:
        method: how they were found, in words.
        accuracy: for each split, how often the judging classifier is right by the labels.
        errors: the labels, by split, the least confident first.
    """

    method: str
    accuracy: Mapping[str, float]
    errors: Sequence[LabelError]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often the crowd says what the label says, in one split.

    The crowd's answer is the column with the most of a face's ten votes, the first of equals.

    Attributes:
        faces: for each class, how many of its faces FER+ has votes on.
        agreed: for each class, for how many of these the answer is the label.
        clear: how many faces have a single highest number of votes, for one of the classes.
        clear_agreed: for how many of these the answer is the label.
    """

    faces: Mapping[str, int]
    agreed: Mapping[str, int]
    clear: int
    clear_agreed: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        origin: where the data came from.
        source: the choice of ``data=`` that reads it.
        fingerprint: of the data.
        size: height and width of the pictures, in pixels.
        classes: the class names.
        counts: faces of each class by split.
        tallies: by the names of :data:`KINDS`; those that were not looked for are left out.
        groups: the rows of each group of exact copies.
        near_copies: each face with a near copy, and the nearest one in each split.
        leaks: copies between splits.
        label_errors: where they were looked for.
        agreement: with FER+'s votes by split, where these were there.
        notes: what else there is to say.
        near: the correlation from which on two faces are near copies.
        names: for each row its file, where faces are files.
    """

    origin: str
    source: str
    fingerprint: str
    size: tuple[int, int]
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    tallies: Mapping[str, Tally]
    groups: Sequence[Sequence[int]]
    near_copies: Sequence[NearCopy]
    leaks: Sequence[Leak]
    label_errors: LabelErrors | None = None
    agreement: Mapping[str, Agreement] | None = None
    notes: Sequence[str] = ()
    near: float = NEAR
    names: Sequence[str] = field(default=(), repr=False)

    @property
    def faces(self) -> int:
        """How many faces there are."""
        return sum(sum(counts.values()) for counts in self.counts.values())
