"""Find blank faces, exact copies and conflicting labels; drop or relabel them as asked.

The test split is what numbers are stated on, so only ``blank="all"`` changes it here. And no
label of one split decides over another: training that knew the test labels of its copies would
have seen the test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from fer.data._hashing import pixel_hash
from fer.data.cleaning.fixes import Fixes
from fer.data.issues import Action, Finding
from fer.data.source import SPLITS, Faces, Source, Split, WrappedSource

Blank = Literal["train", "all", "keep"]
Duplicates = Literal["keep", "within", "across", "both"]
Conflicts = Literal["keep", "drop", "majority"]

#: A face: its split and its position there.
_Place = tuple[str, int]


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
    """

    blank: Blank = "train"
    duplicates: Duplicates = "keep"
    conflicts: Conflicts = "keep"

    def __post_init__(self) -> None:
        for name, kind in (
            ("blank", Blank), ("duplicates", Duplicates), ("conflicts", Conflicts)
        ):  # fmt: skip
            if (value := getattr(self, name)) not in get_args(kind):
                choices = ", ".join(get_args(kind))
                raise ValueError(f"{name} must be one of {choices}, not {value!r}")

    def __call__(self, faces: Faces) -> Faces:
        """Return the cleaned faces, with what was found appended to :attr:`Faces.findings`.

        Blank faces are dropped first, then conflicts are settled, then copies dropped.
        """
        work = _Work(faces)
        for name, split in faces.splits.items():
            # One by one: a comparison of all at once takes the memory of all once more.
            for i, image in enumerate(split.images):
                if image.min() == image.max():
                    drop = self.blank in ("all", name)
                    work.note((name, i), "blank", "dropped" if drop else "kept")
        for members in work.copies():
            self._copies(work, members)
        return work.result()

    def _copies(self, work: _Work, members: list[_Place]) -> None:
        group = min(map(work.row, members))
        if len(set(map(work.label, members))) > 1:
            settled = dict(self._settle(work, members))
            for place in members:
                work.note(place, "conflict", settled.get(place, "kept"), group)
        splits = [SPLITS.index(name) for name, _ in members]
        seen = set[str]()
        for place, split in zip(members, splits, strict=True):
            later = again = False
            # Splits that copies are removed from.
            if place[0] in ("train", "val") and place not in work.dropped:
                later = self.duplicates in ("across", "both") and split < max(splits)
                again = self.duplicates in ("within", "both") and place[0] in seen
                seen.add(place[0])
            if len(set(splits)) > 1:
                work.note(place, "spanning", "dropped" if later else "kept", group)
            work.note(place, "duplicate", "dropped" if later or again else "kept", group)

    def _settle(self, work: _Work, members: list[_Place]) -> Iterator[tuple[_Place, Action]]:
        """Yield what happens to the faces of a group whose labels differ within their split."""
        for name in ("train", "val"):
            here = [place for place in members if place[0] == name and place not in work.dropped]
            votes = Counter(map(work.label, here)).most_common()
            if len(votes) < 2 or self.conflicts == "keep":
                continue
            if self.conflicts == "drop" or votes[0][1] == votes[1][1]:
                yield from ((place, "dropped") for place in here)
                continue
            model = next(place for place in here if work.label(place) == votes[0][0])
            for place in here:
                if work.label(place) != votes[0][0]:
                    work.models[place] = model
                    yield place, "relabelled"


class Cleaned(WrappedSource):
    """A source whose faces are cleaned, after fixes of single faces are applied."""

    def __init__(self, source: Source, cleaning: Cleaning, fixes: Fixes | None = None) -> None:
        super().__init__(source)
        self.cleaning = cleaning
        self.fixes = fixes

    def load(self) -> Faces:
        """Return the cleaned faces.

        Raises:
            DataError: the data is missing or broken, or the fixes are not for it.
        """
        faces = self.source.load()
        return self.cleaning(faces if self.fixes is None else self.fixes(faces))


class _Work:
    """A data set being cleaned; ``models`` maps a face to the copy whose label it gets."""

    def __init__(self, faces: Faces) -> None:
        self.faces = faces
        self.findings = list(faces.findings)
        self.dropped = set[_Place]()
        self.models = dict[_Place, _Place]()

    def row(self, place: _Place) -> int:
        return int(self.faces.splits[place[0]].rows[place[1]])

    def label(self, place: _Place) -> int:
        return int(self.faces.splits[place[0]].labels[place[1]])

    def copies(self) -> Iterator[list[_Place]]:
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
        groups = defaultdict[Any, list[_Place]](list)
        for name, split in splits.items():
            for i in np.flatnonzero(np.isin(short[name], repeated)).tolist():
                image = split.images[i]
                groups[image.shape, pixel_hash(image)].append((name, i))
        yield from (members for members in groups.values() if len(members) > 1)

    def note(self, place: _Place, what: str, action: Action, group: int | None = None) -> None:
        row = self.row(place)
        detail = self.faces.names[row] if self.faces.names else ""
        if what == "conflict":
            label = self.faces.classes[self.label(place)]
            detail = f"label {label} {detail}".rstrip()
        self.findings.append(Finding(row, place[0], what, action, group, detail))
        if action == "dropped":
            self.dropped.add(place)

    def result(self) -> Faces:
        splits = {name: self._changed(name, split) for name, split in self.faces.splits.items()}
        return replace(self.faces, splits=splits, findings=tuple(self.findings))

    def _changed(self, name: str, split: Split) -> Split:
        if models := {i: model for (there, i), (_, model) in self.models.items() if there == name}:
            to, of = list(models), list(models.values())
            labels = np.array(split.labels)
            labels[to] = split.labels[of]
            targets = None if split.targets is None else np.array(split.targets)
            if targets is not None:
                targets[to] = split.targets[of]  # type: ignore[index]
            split = replace(split, labels=labels, targets=targets)
        keep: npt.NDArray[np.bool_] = np.ones(len(split), dtype=np.bool_)
        keep[[i for there, i in self.dropped if there == name]] = False
        # A split that stays whole stays the memory map that it is.
        return split if keep.all() else split.take(keep)
