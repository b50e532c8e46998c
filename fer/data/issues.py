"""What is wrong with a data set: errors, and findings about single faces."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fer.core.errors import UserError

Action = Literal["kept", "dropped", "relabelled"]

#: What can be found, in the order of the table, and how the table calls it.
KINDS: Final[Mapping[str, str]] = {
    "defect": "defective, unusable",
    "unnamed": "left out by FER+",
    "not in manifest": "not in the manifest",
    "no face": "FER+ says unknown or no face",
    "contempt": "FER+ says contempt",
    "tie": "FER+ votes tied",
    "fix": "named in the file of fixes",
    "blank": "one grey value all over",
    "duplicate": "exact copies",
    "spanning": "  of these, in several splits",
    "conflict": "  of these, with conflicting labels",
}

#: The columns of the file.
COLUMNS: Final[tuple[str, ...]] = ("row", "split", "what", "action", "group", "detail")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found about one face.

    Attributes:
        row: the face's 0-based place in its source.
        split: empty where a broken row does not tell.
        what: one of :data:`KINDS`.
        action: what was done because of it.
        group: for copies, the lowest row among them; copies of each other share it.
        detail: what else there is to say.
    """

    row: int
    split: str
    what: str
    action: Action
    group: int | None = None
    detail: str = ""


def findings_csv(findings: Sequence[Finding]) -> str:
    """Return the findings as the text of a CSV file with the columns :data:`COLUMNS`.

    Example:
        >>> print(findings_csv([Finding(3, "train", "blank", "dropped")]), end="")
        row,split,what,action,group,detail
        3,train,blank,dropped,,
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for f in findings:
        group = "" if f.group is None else f.group
        writer.writerow([f.row, f.split, f.what, f.action, group, f.detail])
    return text.getvalue()


def findings_table(findings: Sequence[Finding]) -> str:
    """Return a short table: how many faces of each split have what, and what was done.

    Example:
        >>> print(findings_table([]), end="")
        data check: nothing wrong found
    """
    if not findings:
        return "data check: nothing wrong found\n"
    splits = [name for name in ("train", "val", "test") if any(f.split == name for f in findings)]
    if any(not f.split for f in findings):
        splits.append("")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    groups: dict[str, set[int]] = defaultdict(set)
    for f in findings:
        counts[f.what][f"split {f.split}"] += 1
        counts[f.what][f.action] += 1
        if f.group is not None:
            groups[f.what].add(f.group)
    header = ["data check", "groups", *(name or "?" for name in splits), "dropped", "relabelled"]
    rows = [header]
    for what, words in KINDS.items():
        if what in counts:
            count = counts[what]
            numbers = [len(groups[what]), *(count[f"split {name}"] for name in splits)]
            numbers += [count["dropped"], count["relabelled"]]
            rows.append([words, *(f"{n:,}" if n else "-" for n in numbers)])
    return text_table(rows) + "\n"


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned text, the first column to the left and the others to the right."""
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = []
    for words, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append("  ".join([words.ljust(first), *right]).rstrip())
    return "\n".join(lines)


class DataError(UserError):
    """A data set is not what it should be; the message says what, where and what to do."""


class DataNotFoundError(DataError, FileNotFoundError):
    """A data set is not where it was looked for; the message lists the places."""

    def __str__(self) -> str:
        # FileNotFoundError.__str__ prints an errno form when it has two arguments: we have one.
        return str(self.args[0])


#: How many of the things that are wrong a message lists.
LISTED: Final = 10
