"""Find blank faces, exact copies and conflicting labels; drop or relabel them as asked.

The test split is what numbers are stated on, so only ``blank="all"`` changes it here. And no
label of one split decides over another: training that knew the test labels of its copies would
have seen the test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from fer.data._hashing import pixel_hash
from fer.data.cleaning.fixes import Fixes
from fer.data.issues import Action, Finding
from fer.data.source import SPLITS, Faces, Source, Split, WrappedSource

Blank = Literal["train", "all", "keep"]
Duplicates = Literal["keep", "within", "across", "both"]
Conflicts = Literal["keep", "drop", "majority"]

#: The splits that copies and conflicts are removed from.
_CHANGED: Final = ("train", "val")


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What to do about what is found; everything is found and reported whatever is done.

    Args:
        blank: faces of one grey value all over: ``train`` drops them from the training split,
            ``all`` from every split, ``keep`` from none.
        duplicates: faces with exactly the same pixels. ``within`` keeps the first of those in the
            training split, and of those in the validation split. ``across`` drops training faces
            with a copy in validation or test, and validation faces with a copy in test.
            ``both`` does both, ``keep`` nothing. The test split stays whole.
        conflicts: faces with the same pixels and different labels within the training split, or
            within the validation split. ``drop`` drops them all; ``majority`` gives them their
            most frequent label there, or drops them where none is; ``keep`` leaves them. Conflicts
            between splits are reported, not decided: ``duplicates=across`` removes them.

    Raises:
        ValueError: an argument is none of its choices.
    """

    blank: Blank = "train"
    duplicates: Duplicates = "keep"
    conflicts: Conflicts = "keep"

    def __post_init__(self) -> None:
        for name, choices in (
            ("blank", get_args(Blank)),
            ("duplicates", get_args(Duplicates)),
            ("conflicts", get_args(Conflicts)),
        ):
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")

    def __call__(self, faces: Faces) -> Faces:
        """Return the faces cleaned, what was found behind their :attr:`Faces.findings`.

        Blank faces are dropped first, then conflicts are settled, then copies dropped. Splits that
        nothing happened to are handed on as they are.
        """
        work = _Work(faces)
        self._blank(work)
        for members in work.copies():
            self._copies(work, members)
        return work.result()

    def _blank(self, work: _Work) -> None:
        for name, split in work.faces.splits.items():
            drop = self.blank in ("all", name)
            for i in np.flatnonzero(_are_blank(split)).tolist():
                work.note(_Member(name, i), "blank", "dropped" if drop else "kept")

    def _copies(self, work: _Work, members: list[_Member]) -> None:
        group = min(work.row(m) for m in members)
        if len({work.label(m) for m in members}) > 1:
            settled = dict(self._settle(work, members))
            for m in members:
                work.note(m, "conflict", settled.get(m, "kept"), group)
        across = self.duplicates in ("across", "both")
        within = self.duplicates in ("within", "both")
        last = max(SPLITS.index(m.split) for m in members)
        spans = len({m.split for m in members}) > 1
        seen: set[str] = set()
        for m in members:
            if m.split in _CHANGED and not work.is_dropped(m):
                later = across and SPLITS.index(m.split) < last
                again = within and m.split in seen
                seen.add(m.split)
            else:
                later = again = False
            if spans:
                work.note(m, "spanning", "dropped" if later else "kept", group)
            work.note(m, "duplicate", "dropped" if later or again else "kept", group)

    def _settle(self, work: _Work, members: list[_Member]) -> Iterator[tuple[_Member, Action]]:
        """Yield what happens to the faces of a group whose labels differ within their split."""
        for name in _CHANGED:
            here = [m for m in members if m.split == name and not work.is_dropped(m)]
            votes = Counter(work.label(m) for m in here).most_common()
            if len(votes) < 2 or self.conflicts == "keep":
                continue
            if self.conflicts == "drop" or votes[0][1] == votes[1][1]:
                yield from ((m, "dropped") for m in here)
                continue
            model = next(m for m in here if work.label(m) == votes[0][0])
            for m in here:
                if work.label(m) != votes[0][0]:
                    work.relabel(m, model)
                    yield m, "relabelled"


def _are_blank(split: Split) -> npt.NDArray[np.bool_]:
    # One by one: a comparison of all at once takes the memory of all once more.
    return np.fromiter((image.min() == image.max() for image in split.images), np.bool_, len(split))


class Cleaned(WrappedSource):
    """A source whose faces are cleaned.

    Args:
        source: where they come from.
        cleaning: what to do.
        fixes: what to do first, face by face.
    """

    def __init__(self, source: Source, cleaning: Cleaning, fixes: Fixes | None = None) -> None:
        super().__init__(source)
        self.cleaning = cleaning
        self.fixes = fixes

    def load(self) -> Faces:
        """Return the cleaned faces.

        Raises:
            DataError: the data is missing or broken, or the fixes are not for it.
            OSError: it could not be read.
        """
        faces = self.source.load()
        return self.cleaning(faces if self.fixes is None else self.fixes(faces))


@dataclass(frozen=True, slots=True)
class _Member:
    """One face: its split and its position there."""

    split: str
    position: int


class _Work:
    """A data set being cleaned."""

    def __init__(self, faces: Faces) -> None:
        self.faces = faces
        self.findings = list(faces.findings)
        self._drop = {name: np.zeros(len(s), dtype=np.bool_) for name, s in faces.splits.items()}
        self._labels: dict[str, npt.NDArray[np.int64]] = {}
        self._targets: dict[str, npt.NDArray[np.float32]] = {}

    def row(self, member: _Member) -> int:
        return int(self.faces.splits[member.split].rows[member.position])

    def label(self, member: _Member) -> int:
        return int(self.faces.splits[member.split].labels[member.position])

    def is_dropped(self, member: _Member) -> bool:
        return bool(self._drop[member.split][member.position])

    def copies(self) -> Iterator[list[_Member]]:
        """Yield each group of faces with the same pixels, in the order of splits and positions."""
        splits = {name: self.faces.splits[name] for name in SPLITS if name in self.faces.splits}
        # Eight bytes of each hash first, since there may be millions; then the few that repeat.
        short = {
            name: np.fromiter(
                (int.from_bytes(pixel_hash(image)[:8]) for image in split.images),
                np.uint64,
                len(split),
            )
            for name, split in splits.items()
        }
        values, counts = np.unique(np.concatenate([*short.values()]), return_counts=True)
        repeated = values[counts > 1]
        groups = defaultdict[Hashable, list[_Member]](list)
        for name, split in splits.items():
            for i in np.flatnonzero(np.isin(short[name], repeated)).tolist():
                image = split.images[i]
                groups[image.shape, pixel_hash(image)].append(_Member(name, i))
        yield from (members for members in groups.values() if len(members) > 1)

    def note(self, member: _Member, what: str, action: Action, group: int | None = None) -> None:
        row = self.row(member)
        detail = self.faces.names[row] if self.faces.names else ""
        if what == "conflict":
            label = self.faces.classes[self.label(member)]
            detail = f"label {label} {detail}".rstrip()
        self.findings.append(Finding(row, member.split, what, action, group, detail))
        if action == "dropped":
            self._drop[member.split][member.position] = True

    def relabel(self, member: _Member, model: _Member) -> None:
        """Give a face the label, and the target where there are targets, of a copy of it."""
        split = self.faces.splits[member.split]
        labels = self._labels.setdefault(member.split, np.array(split.labels))
        labels[member.position] = split.labels[model.position]
        if split.targets is not None:
            targets = self._targets.setdefault(member.split, np.array(split.targets))
            targets[member.position] = split.targets[model.position]

    def result(self) -> Faces:
        splits = {name: self._changed(name, split) for name, split in self.faces.splits.items()}
        return replace(self.faces, splits=splits, findings=tuple(self.findings))

    def _changed(self, name: str, split: Split) -> Split:
        if name in self._labels:
            targets = self._targets.get(name, split.targets)
            split = replace(split, labels=self._labels[name], targets=targets)
        drop = self._drop[name]
        # A split that stays whole stays the memory map that it is.
        return split.take(~drop) if drop.any() else split
