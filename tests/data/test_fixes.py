"""Files of fixes: read strictly, applied to the data they were made for and to no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer.data.cleaning.fixes import COLUMNS, Fix, Fixes, read_fixes, write_fixes
from fer.data.source import DataError, DataNotFoundError, Faces
from fer.data.synthetic import SyntheticFaces

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
    ("fix", "message"),
    [
        (Fix(30, "train", "drop"), r"has no row 30 in its split train\. What to do"),
        (Fix(3, "val", "drop"), "has no row 3 in its split val"),
        (Fix(3, "train", "relabel", "bored"), "row 3 is to be relabelled 'bored', but the classes"),
    ],
)
def test_they_must_fit_the_data(faces: Faces, fix: Fix, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Fixes("abc", [fix], "here")(faces)


def test_they_are_for_one_data_set(faces: Faces) -> None:
    with pytest.raises(DataError, match=r"here: these fixes are for the data with .* abd, but"):
        Fixes("abd", FIXES, "here")(faces)
    only = replace(faces, splits={"train": faces.splits["train"]})
    with pytest.raises(DataError, match="has no split val"):
        Fixes("abc", FIXES, "here")(only)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its first line does not name the data"),
        (HEAD.partition("\n")[2], "its first line does not name the data"),
        (FIRST, "line 2 is not the header row,split,action"),
        (FIRST + "row,action\n", "line 2 is not the header"),
        (HEAD + "1,train,drop,,,\n-1,train,drop,,,\n", "line 4: '-1' is no row"),
        (HEAD + "1,test,drop,,,\n", "line 3: row 1 is in test, which is scored as it is"),
        (HEAD + "1,Training,drop,,,\n", "line 3: 'Training' is no split"),
        (HEAD + "1,train,keep,,,\n", "line 3: 'keep' is no action"),
        (HEAD + "1,train,relabel,,,\n", "line 3: row 1 is to be relabelled, but no label"),
        (HEAD + "1,train,drop,,,\n1,train,drop,,,\n", "line 4: row 1 is named a second time"),
        (HEAD + "1\n", "line 3: '' is no split"),
    ],
)
def test_what_is_no_file_of_fixes(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "fixes.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_fixes(tmp_path / "fixes.csv")


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "fixes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="no UTF-8 text"):
        read_fixes(tmp_path / "fixes.csv")
    with pytest.raises(DataNotFoundError, match="there are no fixes"):
        read_fixes(tmp_path / "other.csv")
