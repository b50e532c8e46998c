"""Cleaning: all is found whatever is done, and the test split is left alone."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer.data.cleaning.clean import Blank, Cleaning, Conflicts, Duplicates
from fer.data.issues import COLUMNS, KINDS, Finding, findings_csv, findings_table
from fer.data.source import Faces, Split
from fer.data.sources.fer2013 import Fer2013
from tests.support.fer2013_csv import make_faces, row_text, write_lines

CLASSES = ("a", "b", "c")


def image(kind: str) -> npt.NDArray[np.uint8]:
    """A picture: a number is a blank of that grey, other letters are each one picture."""
    if kind.isdigit():
        return np.full((4, 4), int(kind), dtype=np.uint8)
    return np.random.default_rng(ord(kind)).integers(0, 256, (4, 4), dtype=np.uint8)


def make(train: str, val: str = "Va", test: str = "Tb") -> Faces:
    """Faces written as pairs of picture and class: ``"Xa Xb 7c"``; rows count through all."""
    splits, row = {}, 0
    for name, text in {"train": train, "val": val, "test": test}.items():
        pairs = text.split()
        splits[name] = Split(
            images=np.array([image(kind) for kind, _ in pairs]),
            labels=np.array([CLASSES.index(label) for _, label in pairs], dtype=np.int64),
            rows=np.arange(row, row + len(pairs), dtype=np.int64),
            metadata={"age": np.arange(row, row + len(pairs), dtype=np.float32)},
        )
        row += len(pairs)
    return Faces(CLASSES, splits, "fingerprint", "origin")


def left(faces: Faces) -> dict[str, list[tuple[int, str]]]:
    return {
        name: [(r, CLASSES[y]) for r, y in zip(s.rows.tolist(), s.labels.tolist(), strict=True)]
        for name, s in faces.splits.items()
    }


def found(faces: Faces, what: str) -> list[tuple[int, str, int | None]]:
    return [(f.row, f.action, f.group) for f in faces.findings if f.what == what]


@pytest.mark.parametrize(
    ("blank", "dropped"), [("train", {1}), ("all", {1, 3, 4}), ("keep", set())]
)
def test_blanks(blank: Blank, dropped: set[int]) -> None:
    cleaned = Cleaning(blank=blank)(make("Aa 0b Ca", "9a", "8b"))
    assert found(cleaned, "blank") == [
        (row, "dropped" if row in dropped else "kept", None) for row in (1, 3, 4)
    ]
    rows = {row for split in cleaned.splits.values() for row in split.rows.tolist()}
    assert rows == {0, 1, 2, 3, 4} - dropped
    for split in cleaned.splits.values():
        np.testing.assert_array_equal(split.metadata["age"], split.rows)


@pytest.mark.parametrize(
    ("duplicates", "train", "val", "test"),
    [
        ("keep", [0, 1, 2, 3, 4, 5], [6, 7, 8], [9, 10, 11]),
        ("within", [0, 1, 3, 5], [6, 8], [9, 10, 11]),
        ("across", [0, 2, 5], [8], [9, 10, 11]),
        ("both", [0, 5], [8], [9, 10, 11]),
    ],
)
def test_copies(duplicates: Duplicates, train: list[int], val: list[int], test: list[int]) -> None:
    # A twice in train; X in train, twice in val, and in test; Y twice in train and in test.
    faces = make("Aa Xa Aa Yc Yc Da", "Xa Xa Eb", "Xa Yc Yc")
    cleaned = Cleaning(duplicates=duplicates)(faces)
    assert {n: s.rows.tolist() for n, s in cleaned.splits.items()} == {
        "train": train, "val": val, "test": test,
    }  # fmt: skip
    groups = {group for _, _, group in found(cleaned, "duplicate")}
    assert groups == {0, 1, 3}
    assert [row for row, _, _ in found(cleaned, "spanning")] == [1, 6, 7, 9, 3, 4, 10, 11]
    assert not found(cleaned, "conflict")


@pytest.mark.parametrize(
    ("conflicts", "train", "val"),
    [
        ("keep", "0a 1a 2b 3a 4b 5c", "6a 7b"),
        ("drop", "5c", ""),
        ("majority", "0a 1a 2a 5c", ""),
    ],
)
def test_conflicts_are_settled_within_their_split(
    conflicts: Conflicts, train: str, val: str
) -> None:
    # X: two to one. Y: a tie, as in val. Z: train and test differ, which is none of train's affair.
    faces = make("Xa Xa Xb Ya Yb Zc", "Va Vb", "Xc Zb Ta Tb")
    cleaned = left(Cleaning(conflicts=conflicts)(faces))
    assert cleaned["train"] == [(int(r), y) for r, y in train.split()]
    assert cleaned["val"] == [(int(r), y) for r, y in val.split()]
    assert cleaned["test"] == left(faces)["test"]
    everything = found(Cleaning(conflicts=conflicts)(faces), "conflict")
    assert len(everything) == 3 + 1 + 2 + 2 + 2 + 2


def test_a_relabelled_face_says_so_and_takes_the_target_too() -> None:
    faces = make("Xa Xb Xb")
    train = faces.splits["train"]
    targets = np.eye(3, dtype=np.float32)[[0, 1, 1]] * 0.8
    split = Split(train.images, train.labels, train.rows, targets=targets)
    cleaned = Cleaning(conflicts="majority")(Faces(CLASSES, {"train": split}, "f", "o"))
    assert left(cleaned) == {"train": [(0, "b"), (1, "b"), (2, "b")]}
    np.testing.assert_array_equal(cleaned.splits["train"].targets, targets[[1, 1, 1]])
    np.testing.assert_array_equal(split.labels, [0, 1, 1])
    conflicts = [f for f in cleaned.findings if f.what == "conflict"]
    assert [(f.action, f.detail) for f in conflicts] == [
        ("relabelled", "label a"), ("kept", "label b"), ("kept", "label b"),
    ]  # fmt: skip


_PAIRS = st.lists(st.sampled_from("ABCDX01"), min_size=1, max_size=8).flatmap(
    lambda kinds: st.tuples(*(st.tuples(st.just(kind), st.sampled_from(CLASSES)) for kind in kinds))
)


@given(
    st.tuples(_PAIRS, _PAIRS, _PAIRS),
    st.sampled_from(get_args(Blank)),
    st.sampled_from(get_args(Duplicates)),
    st.sampled_from(get_args(Conflicts)),
)
def test_cleaning_of_any_faces(
    pairs: tuple[tuple[tuple[str, str], ...], ...],
    blank: Blank,
    duplicates: Duplicates,
    conflicts: Conflicts,
) -> None:
    faces = make(*(" ".join(map("".join, split)) for split in pairs))
    cleaning = Cleaning(blank, duplicates, conflicts)
    once = cleaning(faces)
    dropped = {f.row for f in once.findings if f.action == "dropped"}
    relabelled = {f.row for f in once.findings if f.action == "relabelled"} - dropped
    before, after = (
        {row: label for split in left(f).values() for row, label in split} for f in (faces, once)
    )
    # What is left is what no finding drops, with the label that no finding changes.
    assert after.keys() == before.keys() - dropped
    assert {row for row in after if after[row] != before[row]} == relabelled
    for name, split in once.splits.items():
        np.testing.assert_array_equal(split.metadata["age"], split.rows)
        assert name != "test" or blank == "all" or split is faces.splits["test"]
    # Cleaned again, nothing more happens.
    twice = cleaning(replace(once, findings=()))
    assert left(twice) == left(once)
    assert {f.action for f in twice.findings} <= {"kept"}
    for name, split in twice.splits.items():
        assert split is once.splits[name], "handed on as it is"
    # Whatever is done, as much is found.
    found_before = [(f.row, f.what) for f in Cleaning("keep")(faces).findings]
    assert sorted((f.row, f.what) for f in once.findings) == sorted(found_before)


def test_unknown_choices() -> None:
    with pytest.raises(ValueError, match="blank must be one of train, all, keep, not 'no'"):
        Cleaning(blank="no")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="conflicts must be one of"):
        Cleaning(conflicts="across")  # type: ignore[arg-type]


def test_dropped_rows_of_a_file_are_found(tmp_path: Path) -> None:
    lines = ["emotion,pixels,Usage", *(row_text(*row) for row in zip(*make_faces(), strict=True))]
    lines[5] = "9" + lines[5][1:]
    lines[31] = lines[31].replace(" ", "", 1)
    write_lines(tmp_path / "fer2013.csv", lines)
    source = Fer2013(str(tmp_path), str(tmp_path / "cache"), "drop")
    for _ in range(2):
        faces = Cleaning()(source.load())
        assert [(f.row, f.split, f.what, f.action) for f in faces.findings] == [
            (4, "", "defect", "dropped"), (30, "", "defect", "dropped"),
        ]  # fmt: skip
        assert "line 32: 2303 pixels instead of 2304" in faces.findings[1].detail
        assert [len(split) for split in faces.splits.values()] == [19, 19, 20]
        assert faces.splits["val"].rows.tolist() == [*range(20, 30), *range(31, 40)]


# --- the table and the file ----------------------------------------------------------------------


def test_the_table_counts_groups_faces_and_actions() -> None:
    cleaned = Cleaning(duplicates="across")(make("Aa 0b Xa Xa Ba", "Xb", "Bb 9a"))
    findings = [Finding(99, "", "defect", "dropped"), *cleaned.findings]
    assert findings_table(findings).splitlines() == [
        "data check                           groups  train  val  test  ?  dropped  relabelled",
        "defective, unusable                       -      -    -     -  1        1           -",
        "one grey value all over                   -      1    -     1  -        1           -",
        "exact copies                              2      3    1     1  -        3           -",
        "  of these, in several splits             2      3    1     1  -        3           -",
        "  of these, with conflicting labels       2      3    1     1  -        -           -",
    ]


def test_the_file_holds_every_finding(tmp_path: Path) -> None:
    cleaned = Cleaning()(make("Aa 0b Xa Xb"))
    rows = list(csv.reader(findings_csv(cleaned.findings).splitlines()))
    assert rows == [
        list(COLUMNS),
        ["1", "train", "blank", "dropped", "", ""],
        ["2", "train", "conflict", "kept", "2", "label a"],
        ["3", "train", "conflict", "kept", "2", "label b"],
        ["2", "train", "duplicate", "kept", "2", ""],
        ["3", "train", "duplicate", "kept", "2", ""],
    ]
    assert {row[2] for row in rows[1:]} <= set(KINDS)


# --- the real file -------------------------------------------------------------------------------


def test_official_figures(official: Faces) -> None:
    findings = Cleaning()(official).findings
    kinds = Counter(f.what for f in findings)
    groups = {what: len({f.group for f in findings if f.what == what}) for what in kinds}
    assert kinds["blank"] == 12
    assert (groups["duplicate"], kinds["duplicate"]) == (1518, 3373)
    assert (groups["spanning"], groups["conflict"]) == (557, 60)
    assert sum(f.what == "spanning" and f.split == "test" for f in findings) == 314


def test_official_splits(official: Faces) -> None:
    cleaned = Cleaning()(official)
    assert [len(split) for split in cleaned.splits.values()] == [28698, 3589, 3589]
    assert cleaned.splits["test"] is official.splits["test"]
    cleaned = Cleaning(duplicates="both", conflicts="drop")(official)
    assert len(cleaned.splits["test"]) == 3589
    findings = Cleaning()(replace(cleaned, findings=())).findings
    again = [f for f in findings if f.what == "duplicate"]
    assert {f.split for f in again} == {"test"}
