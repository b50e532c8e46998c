"""Files of fixes: read strictly, applied to the data they were made for and to no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer.data.cleaning.fixes import COLUMNS, Fix, Fixes, read_fixes, write_fixes
from fer.data.source import DataError, DataNotFoundError, Faces
from fer.data.synthetic import SyntheticFaces
from tests.support.errors import raises

FIXES = (
    Fix(0, "train", "drop", "", "blank, all over"),
    Fix(3, "train", "relabel", "sad", "majority"),
    Fix(22, "val", "drop"),
)
FIRST = "# fixes of fer data check for the data with the fingerprint abc\n"
HEAD = FIRST + ",".join(COLUMNS) + "\n"


@pytest.fixture(scope="module")
def faces() -> Faces:
    made = SyntheticFaces(train=20, val=10, test=10).load()
    start = 0
    splits = {}
    for name, split in made.splits.items():
        splits[name] = replace(split, rows=np.arange(start, start + len(split)))
        start += len(split)
    return replace(made, splits=splits, fingerprint="abc")


def test_they_are_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "fixes.csv"
    names = [f"train/a,b/{row}.png" for row in range(30)]
    write_fixes(path, Fixes("abc", FIXES, "here"), names)
    assert read_fixes(path) == Fixes("abc", FIXES, str(path))
    assert path.read_text().splitlines()[2] == '0,train,drop,,"blank, all over","train/a,b/0.png"'


def test_a_spreadsheet_may_have_saved_them(tmp_path: Path) -> None:
    path = tmp_path / "fixes.csv"
    write_fixes(path, Fixes("abc", FIXES, "here"))
    first, *rest = path.read_text().splitlines()
    text = "\r\n".join([f"{first},,,,,", *rest, ",,,,,"])
    path.write_bytes(text.encode("utf-8-sig"))
    assert read_fixes(path).fixes == FIXES


def test_they_are_applied(faces: Faces) -> None:
    fixed = Fixes("abc", FIXES, "here")(faces)
    train, val = fixed.splits["train"], fixed.splits["val"]
    assert train.rows.tolist() == list(range(1, 20))
    assert fixed.classes[train.labels[2]] == "sad"
    np.testing.assert_array_equal(np.delete(train.labels, 2),
                                  np.delete(faces.splits["train"].labels, [0, 3]))  # fmt: skip
    assert val.rows.tolist() == [20, 21, *range(23, 30)]
    assert fixed.splits["test"] is faces.splits["test"]
    assert [(f.row, f.split, f.what, f.action, f.detail) for f in fixed.findings] == [
        (0, "train", "fix", "dropped", "blank, all over"),
        (3, "train", "fix", "relabelled", "sad majority"),
        (22, "val", "fix", "dropped", ""),
    ]


def test_a_new_label_is_a_new_target_too(faces: Faces) -> None:
    train = faces.splits["train"]
    targets = np.full((20, 7), 1 / 7, dtype=np.float32)
    faces = replace(faces, splits={**faces.splits, "train": replace(train, targets=targets)})
    fixed = Fixes("abc", FIXES, "here")(faces).splits["train"]
    assert fixed.targets is not None
    assert fixed.targets[2].tolist() == [0, 0, 0, 0, 1, 0, 0]
    assert targets[3, 0] == pytest.approx(1 / 7)


@pytest.mark.parametrize(
    ("fix", "code"),
    [
        (Fix(30, "train", "drop"), "unknown_row"),
        (Fix(3, "val", "drop"), "unknown_row"),
        (Fix(3, "train", "relabel", "bored"), "unknown_label"),
    ],
)
def test_they_must_fit_the_data(faces: Faces, fix: Fix, code: str) -> None:
    with raises(code, "here", DataError):
        Fixes("abc", [fix], "here")(faces)


def test_they_are_for_one_data_set(faces: Faces) -> None:
    with raises("fixes_of_other_data", "here", DataError):
        Fixes("abd", FIXES, "here")(faces)
    only = replace(faces, splits={"train": faces.splits["train"]})
    with raises("unknown_split", "here", DataError):
        Fixes("abc", FIXES, "here")(only)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        (HEAD.partition("\n")[2], 1),
        (FIRST, 2),
        (FIRST + "row,action\n", 2),
        (HEAD + "1,train,drop,,,\n-1,train,drop,,,\n", 4),
        (HEAD + "1,test,drop,,,\n", 3),
        (HEAD + "1,Training,drop,,,\n", 3),
        (HEAD + "1,train,keep,,,\n", 3),
        (HEAD + "1,train,relabel,,,\n", 3),
        (HEAD + "1,train,drop,,,\n1,train,drop,,,\n", 4),
        (HEAD + "1\n", 3),
        ("\udcff", 1),
    ],
)
def test_what_is_no_file_of_fixes(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "fixes.csv"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with raises("bad_fixes", f"fixes.csv:{line}", DataError):
        read_fixes(path)
    with raises("no_fixes", kind=DataNotFoundError):
        read_fixes(tmp_path / "other.csv")
