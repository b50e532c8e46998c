"""Protocols divide the faces as they say, keep the rows, and say what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from fer.core.metadata import Columns
from fer.data.augmentation import Augmentation
from fer.data.cleaning.protocols import PROTOCOLS, SHARES, ProtocolSource, mark_of
from fer.data.source import SPLITS, DataError, Faces, Split
from tests.support.pattern_faces import CLASSES, PatternFaces, make_split

COUNTS = {"train": 160, "val": 20, "test": 20}
FLIP = Augmentation(flip=1.0)


@dataclass
class Given:
    """A source of faces that are there already."""

    faces: Faces

    def metadata_columns(self) -> Columns:
        return {}

    def class_names(self) -> tuple[str, ...]:
        return self.faces.classes

    def load(self) -> Faces:
        return self.faces


def under(protocol: str, *, seed: int = 0, augmentation: Augmentation | None = None) -> Faces:
    only = ["left", "up"] if protocol == "fewer_classes" else None
    source = PatternFaces(COUNTS)
    return ProtocolSource(
        source, protocol, seed=seed, augmentation=augmentation, only_classes=only
    ).load()


def rows(faces: Faces) -> dict[str, set[int]]:
    return {name: set(split.rows.tolist()) for name, split in faces.splits.items()}


def uneven() -> Faces:
    """Forty faces of the first class, ten of each other, with all that a split may have."""
    split = make_split(400)
    chosen = np.concatenate(
        [np.flatnonzero(split.labels == i)[: 40 if i == 0 else 10] for i in range(len(CLASSES))]
    )
    split = replace(
        split,
        metadata={"age": split.rows.astype(np.float32)},
        targets=np.eye(len(CLASSES), dtype=np.float32)[split.labels],
    ).take(np.sort(chosen))
    parts = {n: split.take(np.arange(i, len(split), 3)) for i, n in enumerate(SPLITS)}
    return Faces(CLASSES, parts, "uneven", "uneven faces")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_row_stays_with_its_face(protocol: str) -> None:
    """The official score of any network is found by the rows."""
    official = make_split(sum(COUNTS.values()))
    for split in under(protocol).splits.values():
        np.testing.assert_array_equal(split.images, official.images[split.rows])
        np.testing.assert_array_equal(split.labels, official.labels[split.rows])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_seed_gives_the_same_faces(protocol: str) -> None:
    first, again = (under(protocol, augmentation=FLIP) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    for name in first.splits:
        np.testing.assert_array_equal(first.splits[name].images, again.splits[name].images)


def test_each_protocol_has_a_fingerprint_of_its_own() -> None:
    every = [under(protocol).fingerprint for protocol in PROTOCOLS]
    every += [under(name, seed=1).fingerprint for name in ("resplit", "augment_first")]
    every += [under("augment_first", augmentation=FLIP).fingerprint]
    assert len(set(every)) == len(every)
    assert under("official").fingerprint == PatternFaces(COUNTS).load().fingerprint
    assert under("train_as_test", seed=1).fingerprint == under("train_as_test").fingerprint


def test_only_the_official_protocol_is_unmarked() -> None:
    marks = {name: mark_of(name) for name in PROTOCOLS}
    assert [name for name, mark in marks.items() if mark is None] == ["official"]
    words = {name: mark.word for name, mark in marks.items() if mark}
    assert {name for name, word in words.items() if word == "NOT COMPARABLE"} == {
        "other_labels", "fewer_classes",
    }  # fmt: skip
    mark = mark_of("fewer_classes")
    assert mark is not None
    assert (mark.file, mark.key) == ("NOT_COMPARABLE", "not_comparable")
    assert mark.why.startswith("data.protocol=fewer_classes: ")


def test_a_resplit_moves_faces_between_splits_and_loses_none() -> None:
    faces = under("resplit")
    parts = rows(faces)
    assert sum(map(len, parts.values())) == sum(len(s) for s in faces.splits.values()) == 200
    assert set().union(*parts.values()) == set(range(200))
    official_test = set(range(180, 200))
    assert len(official_test & parts["train"]) > 10, "most of a random tenth lies in train"
    assert rows(under("resplit", seed=1)) != parts
    source = PatternFaces({"train": 80, "val": 20})
    assert set(ProtocolSource(source, "resplit").load().splits) == set(SPLITS)


def test_a_resplit_takes_the_same_share_of_each_class() -> None:
    faces = Given(uneven())
    divided = ProtocolSource(faces, "resplit").load()
    for name, share in zip(SPLITS, SHARES, strict=True):
        counts = np.bincount(divided.splits[name].labels, minlength=len(CLASSES))
        np.testing.assert_array_equal(counts, np.array([40, 10, 10, 10]) * share)


def test_whatever_a_split_has_goes_along() -> None:
    for protocol in ("resplit", "augment_first", "train_on_test"):
        divided = ProtocolSource(Given(uneven()), protocol).load()
        for split in divided.splits.values():
            np.testing.assert_array_equal(split.metadata["age"], split.rows)
            assert split.targets is not None
            np.testing.assert_array_equal(split.targets.argmax(axis=1), split.labels)


def test_a_face_of_a_split_without_targets_is_learnt_by_its_label() -> None:
    faces = uneven()
    split = faces.splits["train"]
    assert split.targets is not None
    soft = replace(split, targets=0.5 * split.targets + 0.5 / len(CLASSES))
    rest = {n: replace(s, targets=None) for n, s in faces.splits.items() if n != "train"}
    given = Given(replace(faces, splits={"train": soft, **rest}))
    train = ProtocolSource(given, "train_on_test").load().splits["train"]
    assert train.targets is not None
    was_soft = np.isin(train.rows, soft.rows)
    np.testing.assert_array_equal(train.targets[was_soft], soft.targets)
    own = np.eye(len(CLASSES))[train.labels[~was_soft]]
    np.testing.assert_array_equal(train.targets[~was_soft], own)


def test_augmenting_first_balances_the_classes_and_leaks_into_the_test_split() -> None:
    divided = ProtocolSource(Given(uneven()), "augment_first", augmentation=FLIP).load()
    total = sum(np.bincount(s.labels, minlength=len(CLASSES)) for s in divided.splits.values())
    np.testing.assert_array_equal(total, [40] * 4)
    parts = rows(divided)
    rare = {int(r) for s in uneven().splits.values() for r in s.rows[s.labels != 0]}
    assert parts["test"] & rare <= parts["train"]
    every = np.concatenate([s.rows for s in divided.splits.values()])
    times = np.unique(every, return_counts=True)[1]
    assert set(times.tolist()) == {1, 4}, "each face is copied as often as the next"


def test_copies_are_altered_and_originals_are_not() -> None:
    faces = uneven()
    divided = ProtocolSource(Given(faces), "augment_first", augmentation=FLIP).load()
    original = {int(r): i for s in faces.splits.values() for r, i in zip(s.rows, s.images)}  # noqa: B905
    same = flipped = 0
    for split in divided.splits.values():
        for row, image in zip(split.rows.tolist(), split.images, strict=True):
            same += np.array_equal(image, original[row])
            flipped += np.array_equal(image, original[row][:, ::-1])
    assert (same, flipped) == (70, 90)


def test_faces_of_one_split_in_another() -> None:
    faces = under("train_as_test")
    assert faces.splits["test"] is faces.splits["train"]
    assert rows(faces)["val"] == set(range(160, 180))
    parts = rows(under("train_on_test"))
    assert parts["train"] == set(range(200))
    assert parts["test"] == set(range(180, 200))


def test_fewer_classes_leave_the_faces_of_the_others_out() -> None:
    faces = under("fewer_classes")
    official = PatternFaces(COUNTS).load()
    assert faces.classes == CLASSES, "the network can still be asked about every face"
    for name, split in faces.splits.items():
        labels = official.splits[name].labels
        assert set(split.labels.tolist()) == {1, 2}
        assert len(split) == int(np.isin(labels, [1, 2]).sum())
    assert faces.origin.endswith("under data.protocol=fewer_classes up left")


def test_a_class_without_faces_has_nothing_to_copy() -> None:
    split = make_split(40)
    faces = Faces(CLASSES, {"train": split.take(split.labels != 2)}, "f", "some faces")
    with pytest.raises(DataError, match="some faces has no face of the class 'left'"):
        ProtocolSource(Given(faces), "augment_first").load()


@pytest.mark.parametrize(
    ("protocol", "only", "words"),
    [
        ("resplitt", None, "protocol must be one of official, resplit"),
        ("fewer_classes", None, "go together"),
        ("resplit", ["up", "left"], "go together"),
        ("fewer_classes", ["up", "happy"], "two or more of down, up, left, right, each once"),
        ("fewer_classes", ["up", "up"], "each once, not up, up"),
        ("fewer_classes", ["up"], "two or more"),
        ("fewer_classes", [], "not none"),
    ],
)
def test_what_cannot_be_is_refused(protocol: str, only: list[str] | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ProtocolSource(PatternFaces(COUNTS), protocol, only_classes=only)


def test_read_only_pictures_are_left_as_they_are() -> None:
    """FER2013's are a map of a file in the cache."""
    faces = uneven()
    frozen: dict[str, Split] = {}
    for name, split in faces.splits.items():
        split.images.flags.writeable = False
        frozen[name] = split
    source = Given(replace(faces, splits=frozen))
    for protocol in PROTOCOLS:
        if protocol != "fewer_classes":
            ProtocolSource(source, protocol, augmentation=FLIP).load()
