"""What a check found, as plain containers, and as one screen of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from fer.core.defaults import NEAR_CORRELATION
from fer.data.issues import text_table

#: A picture of no more grey values than this is blank: JPEG leaves some specks on one grey.
FEW_VALUES: Final = 8

#: From which flat share on a picture is taken for a placeholder. On FER2013, 50 of the 52 that
#: this finds (blank ones included) are pictures that FER+ left out as unusable.
FLAT_SHARE: Final = 0.6

#: What is counted, in the order of the tables, and what they call it.
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

#: How many classes the text lists: a data set may have thousands.
_CLASSES: Final = 20


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
        rows: their rows by split, rising; a broken row's split may be unknown and is then empty.
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
    """How many of a split's ``faces`` have an ``exact`` copy, or one exact or near (``alike``).

    ``inside`` are the splits that have the copies.
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
        likely: the class that the classifier gives the highest probability.
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
        accuracy: for each split, how often the classifier is right by the labels.
        errors: by split, the least confident first.
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
        source: the choice of ``data=`` that reads it.
        size: height and width of the pictures, in pixels.
        counts: faces of each class by split.
        tallies: by the names of :data:`KINDS`; those that were not looked for are left out.
        groups: the rows of each group of exact copies.
        near_copies: each face with a near copy, and the nearest one in each split.
        agreement: with FER+'s votes by split, where these were there.
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
    near: float = NEAR_CORRELATION
    names: Sequence[str] = field(default=(), repr=False)

    @property
    def faces(self) -> int:
        """How many faces there are."""
        return sum(sum(counts.values()) for counts in self.counts.values())


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as plain values for JSON.

    Returns:
        ``origin``, ``source``, ``fingerprint``, ``size`` (height, width), ``classes``, ``faces``,
        ``counts`` (by split and class), ``found`` (by :data:`KINDS`, each with ``total``,
        ``groups`` or null, the number ``by_split`` and the ``rows`` by split), ``copies`` (the
        rows of each group), ``near`` (``threshold`` and ``copies``), ``leaks``, ``votes`` and
        ``labels`` (null where not looked for), ``notes``.
    """
    return {
        "origin": report.origin,
        "source": report.source,
        "fingerprint": report.fingerprint,
        "size": list(report.size),
        "classes": list(report.classes),
        "faces": report.faces,
        "counts": {split: dict(counts) for split, counts in report.counts.items()},
        "found": {
            kind: {
                "total": tally.total,
                "groups": tally.groups,
                "by_split": {split: len(rows) for split, rows in tally.rows.items()},
                "rows": {split: list(rows) for split, rows in tally.rows.items()},
            }
            for kind, tally in report.tallies.items()
        },
        "copies": [list(group) for group in report.groups],
        "near": {
            "threshold": report.near,
            "copies": [asdict(copy) for copy in report.near_copies],
        },
        "leaks": [{**asdict(leak), "inside": list(leak.inside)} for leak in report.leaks],
        "votes": report.agreement and {s: asdict(one) for s, one in report.agreement.items()},
        "labels": report.label_errors and asdict(report.label_errors),
        "notes": list(report.notes),
    }


def text_report(report: Report) -> str:
    """Return a report as text for a terminal, about 45 lines with seven classes."""
    height, width = report.size
    head = (
        f"{report.origin}  (data={report.source})\n"
        f"{report.faces:,} faces of {width}×{height} pixels, {len(report.classes)} classes, "
        f"fingerprint {report.fingerprint[:16]}…"
    )
    blocks = [head, _counts(report), _found(report), _leaks(report), _agreement(report)]
    return "\n\n".join(block for block in [*blocks, "\n".join(report.notes)] if block) + "\n"


def _counts(report: Report) -> str:
    splits = list(report.counts)
    rows = [["faces", *splits, "all"]]
    for name in report.classes[:_CLASSES]:
        counts = [report.counts[split][name] for split in splits]
        rows.append([name, *map(_number, [*counts, sum(counts)])])
    if (more := len(report.classes) - _CLASSES) > 0:
        rows.append([f"… and {more:,} more", *[""] * (len(splits) + 1)])
    totals = [sum(report.counts[split].values()) for split in splits]
    rows.append(["all", *map(_number, [*totals, sum(totals)])])
    return text_table(rows)


def _found(report: Report) -> str:
    splits = list(report.counts)
    rows = [["found", "groups", *splits, "all"]]
    for kind, words in KINDS.items():
        if kind in report.tallies:
            tally = report.tallies[kind]
            counts = [len(tally.rows.get(split, ())) for split in splits]
            groups = "" if tally.groups is None else _number(tally.groups)
            rows.append([words, groups, *map(_number, [*counts, tally.total])])
    return text_table(rows)


def _leaks(report: Report) -> str:
    rows = [
        ["faces with a copy in an earlier split", "exact", "", f"exact or ≥ {report.near:g}", ""]
    ]
    for leak in report.leaks:
        if leak.faces:
            where = f"{leak.split} with one in {' or '.join(leak.inside)}"
            exact, alike = percent(leak.exact, leak.faces), percent(leak.alike, leak.faces)
            rows.append([where, _number(leak.exact), exact, _number(leak.alike), alike])
    return text_table(rows) if len(rows) > 1 else ""


def _agreement(report: Report) -> str:
    if report.agreement is None:
        return ""
    some = list(report.agreement.values())
    rows = [["FER+'s crowd says what the label says", *report.agreement]]
    rows += [
        [name, *(percent(one.agreed[name], one.faces[name]) for one in some)]
        for name in report.classes[:_CLASSES]
    ]
    agreed, faces = ([sum(getattr(o, f).values()) for o in some] for f in ("agreed", "faces"))
    rows.append(["all", *map(percent, agreed, faces)])
    rows.append(["where the crowd is clear", *(percent(o.clear_agreed, o.clear) for o in some)])
    return text_table(rows)


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"
