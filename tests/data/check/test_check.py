"""The check finds every flaw where it is, and the fixes mend what they may."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer.data.check.check import check, flat_share, grey_values
from fer.data.check.report import (
    FEW_VALUES,
    FLAT_SHARE,
    KINDS,
    LabelError,
    LabelErrors,
    Leak,
    Report,
    text_report,
)
from fer.data.check.suggested_fixes import suggest_fixes
from fer.data.cleaning.clean import Cleaned, Cleaning
from fer.data.cleaning.fixes import read_fixes, write_fixes
from fer.data.source import Faces
from fer.data.sources.fer2013 import Fer2013
from fer.data.synthetic import SyntheticFaces
from fer.reporting.data_check import headline
from tests.support import flawed_faces as flaws


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Fer2013:
    folder = tmp_path_factory.mktemp("flawed")
    return Fer2013(str(flaws.write_flawed_faces(folder)), str(folder / "cache"))


@pytest.fixture(scope="module")
def faces(source: Fer2013) -> Faces:
    return source.load()


@pytest.fixture(scope="module")
def report(faces: Faces) -> Report:
    return check(faces, "fer2013")


def rows(report: Report, kind: str) -> list[int]:
    return sorted(row for some in report.tallies[kind].rows.values() for row in some)


def test_every_flaw_is_found(report: Report) -> None:
    copies = [flaws.WITHIN, flaws.TO_TEST, flaws.TO_VAL, flaws.VAL_TO_TEST, flaws.WITHIN_TEST]
    copies += [flaws.MAJORITY, flaws.TIE]
    assert sorted(report.groups) == sorted(map(list, copies))
    expected = {
        "defective": [],
        "few_values": [flaws.BLANK, flaws.FEW],
        "constant": [flaws.BLANK],
        "placeholders": [flaws.SIGN],
        "copies": [row for group in copies for row in group],
        "redundant": [row for group in copies for row in group[1:]],
        "spanning": [*flaws.TO_TEST, *flaws.TO_VAL, *flaws.VAL_TO_TEST],
        "conflicting": [*flaws.MAJORITY, *flaws.TIE],
        "near": [*flaws.NEAR_TEST, *flaws.NEAR_WITHIN],
        "near_spanning": [*flaws.NEAR_TEST],
    }
    assert {kind: rows(report, kind) for kind in report.tallies} == {
        kind: sorted(some) for kind, some in expected.items()
    }
    assert set(report.tallies) < set(KINDS)
    assert [report.tallies[k].groups for k in ("copies", "spanning", "conflicting")] == [7, 3, 2]


def test_copies_between_splits_are_counted(report: Report) -> None:
    assert report.leaks == [
        Leak("test", ("train",), 20, 1, 2),
        Leak("test", ("train", "val"), 20, 2, 3),
        Leak("val", ("train",), 20, 1, 1),
    ]
    pair = {(c.row, c.other_row, c.split, c.other_split) for c in report.near_copies}
    assert (*flaws.NEAR_TEST, "train", "test") in pair
    assert (*flaws.NEAR_TEST[::-1], "test", "train") in pair
    assert all(0.97 <= copy.correlation <= 1 for copy in report.near_copies)


def test_faces_are_counted_by_split_and_class(faces: Faces, report: Report) -> None:
    assert report.faces == 60
    for name, split in faces.splits.items():
        for label, emotion in enumerate(faces.classes):
            assert report.counts[name][emotion] == (split.labels == label).sum()


def test_the_threshold_is_heeded(faces: Faces) -> None:
    assert check(faces, "fer2013", near=0.9999).tallies["near"].total == 0


def test_what_is_suggested(faces: Faces, report: Report) -> None:
    fixes = {fix.row: fix for fix in suggest_fixes(faces, report).fixes}
    assert {row: fix.reason for row, fix in fixes.items()} == {
        flaws.BLANK: "blank",
        flaws.FEW: "blank",
        flaws.SIGN: "likely a placeholder",
        flaws.WITHIN[1]: "exact copy in the same split",
        flaws.TO_TEST[0]: "exact copy in a later split",
        flaws.TO_VAL[0]: "exact copy in a later split",
        flaws.VAL_TO_TEST[0]: "exact copy in a later split",
        flaws.MAJORITY[1]: "exact copy in the same split",
        # It would be relabelled, if a copy did not stay.
        flaws.MAJORITY[2]: "exact copy in the same split",
        flaws.TIE[0]: "copies with different labels",
        flaws.TIE[1]: "copies with different labels",
        flaws.NEAR_TEST[0]: f"near copy of row {flaws.NEAR_TEST[1]} in test",
    }
    assert {fix.split for fix in fixes.values()} == {"train", "val"}
    assert {fix.action for fix in fixes.values()} == {"drop"}


def test_the_first_of_a_group_is_relabelled_where_the_majority_is_against_it(
    faces: Faces,
) -> None:
    train = faces.splits["train"]
    labels = np.array(train.labels)
    labels[list(flaws.MAJORITY)] = [4, 3, 3]
    changed = replace(faces, splits={**faces.splits, "train": replace(train, labels=labels)})
    fixes = suggest_fixes(changed, check(changed, "fer2013"))
    (fix,) = [fix for fix in fixes.fixes if fix.action == "relabel"]
    assert (fix.row, fix.label) == (flaws.MAJORITY[0], "happy")


def test_test_labels_decide_nothing(faces: Faces, report: Report) -> None:
    test = faces.splits["test"]
    other = replace(test, labels=(test.labels + 1) % 7)
    changed = replace(faces, splits={**faces.splits, "test": other})
    again = suggest_fixes(changed, check(changed, "fer2013"))
    assert again == suggest_fixes(faces, report)


def test_fixes_make_a_round_trip(source: Fer2013, report: Report, tmp_path: Path) -> None:
    faces = source.load()
    path = tmp_path / "fixes.csv"
    suggested = suggest_fixes(faces, report)
    write_fixes(path, suggested)
    fixes = read_fixes(path)
    assert fixes.fixes == suggested.fixes
    fixed = Cleaned(source, Cleaning(), fixes).load()
    after = check(replace(fixed, findings=()), "fer2013")
    assert after.leaks == [
        Leak("test", ("train",), 20, 0, 0),
        Leak("test", ("train", "val"), 20, 0, 0),
        Leak("val", ("train",), 19, 0, 0),
    ]
    assert rows(after, "copies") == [*flaws.WITHIN_TEST]
    assert rows(after, "few_values") == rows(after, "placeholders") == []
    assert fixed.splits["test"] is faces.splits["test"] or len(fixed.splits["test"]) == 20
    done = [(f.row, f.action) for f in fixed.findings if f.what == "fix"]
    assert sorted(done) == [(fix.row, "dropped") for fix in suggested.fixes]


def test_label_errors_of_train_become_fixes_where_asked_for(faces: Faces, report: Report) -> None:
    places = ((30, "val"), (15, "train"), (16, "train"), (50, "test"))
    errors = [LabelError(row, split, "sad", "happy", 0.01) for row, split in places]
    judged = replace(report, label_errors=LabelErrors("a test", {}, errors))
    before = suggest_fixes(faces, report)
    assert suggest_fixes(faces, judged) == before
    assert len(suggest_fixes(faces, judged, 9).fixes) == len(before.fixes) + 2
    (fix,) = set(suggest_fixes(faces, judged, 1).fixes) - set(before.fixes)
    assert (fix.row, fix.action, fix.label) == (15, "drop", "")
    assert fix.reason == "label sad is likely wrong; happy is likelier"


def test_the_screen_says_it_all(report: Report) -> None:
    text = text_report(report)
    lines = text.splitlines()
    assert "60 faces of 48×48 pixels, 7 classes" in lines[1]
    assert max(map(len, lines[2:])) <= 80
    assert len(lines) < 45
    (copies,) = [line.split() for line in lines if line.startswith("exact copies")]
    assert copies == ["exact", "copies", "7", "9", "2", "4", "15"]
    assert "test with one in train or val              2  10.0 %" in text
    assert "crowd" not in text


def test_a_sound_data_set_is_called_sound(tmp_path: Path) -> None:
    from tests.support.fer2013_csv import make_faces, write_fer2013

    file = write_fer2013(tmp_path / "fer2013.csv", *make_faces())
    sound = Fer2013(str(file), str(tmp_path / "c")).load()
    report = check(sound, "fer2013")
    assert all(tally.total == 0 for tally in report.tallies.values())
    assert headline(report) == ["No copies and no blank pictures were found."]
    assert suggest_fixes(sound, report).fixes == ()


# --- what shows nothing ---


def test_grey_values_are_counted() -> None:
    images = np.zeros((3, 5, 5), dtype=np.uint8)
    images[1, 0] = [1, 2, 3, 4, 4]
    images[2] = np.arange(25).reshape(5, 5)
    assert grey_values(images).tolist() == [1, 5, 25]


def test_the_flat_share_is_that_of_quiet_surroundings() -> None:
    images = np.full((3, 10, 10), 50, dtype=np.uint8)
    images[1, :, 5:] = 200
    images[2, :, 5:] = 56
    # The two columns at the edge are not flat; a step of six grey values is no edge.
    np.testing.assert_allclose(flat_share(images), [1, 0.8, 1])


def test_signs_are_placeholders_and_faces_are_none() -> None:
    faces = SyntheticFaces(train=60, val=7, test=7).load().splits["train"].images
    assert (flat_share(faces) < FLAT_SHARE).all()
    assert (grey_values(faces) > FEW_VALUES).all()
    assert flat_share(flaws.warning_sign()[None]) > FLAT_SHARE
