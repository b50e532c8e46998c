"""``fer data check``: what it prints and writes, and one message where it can't."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import re
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from fer.core.labels import EMOTIONS
from fer.data.check.report import KINDS
from fer.data.cleaning.clean import Cleaned, Cleaning
from fer.data.cleaning.fixes import read_fixes
from fer.data.sources.folder import ImageFolder
from fer.data.sources.manifest import COLUMNS
from tests.commands.conftest import Run
from tests.support import flawed_faces as flaws
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.picture_folders import write_class_folders, write_fer2013_folders, write_picture
from tests.support.train_command import Answer
from tests.support.votes import write_votes

Check = Callable[..., Answer]


@pytest.fixture
def check(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Check:
    monkeypatch.setenv("FER_CACHE", str(tmp_path_factory.mktemp("cache")))
    return partial(run, "data", "check")


@pytest.fixture(scope="module")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flaws.write_flawed_faces(tmp_path_factory.mktemp("flawed"))


def refused(answer: Answer, *words: str) -> None:
    """Hold that there was one message and nothing else."""
    assert (answer.code, answer.out) == (2, ""), answer
    assert answer.err.startswith("fer data check: "), answer.err
    assert answer.err.count("fer data check: ") == 1
    for word in words:
        assert word in answer.err


def test_one_screen(check: Check, flawed: Path) -> None:
    answer = check(flawed)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"{flawed}  (data=fer2013)\n60 faces of 48×48 pixels, 7 classes")
    assert "likely placeholders" in answer.out
    assert "--fix FILE would drop 12 and relabel 0 faces of train and val" in answer.out
    assert len(answer.out.splitlines()) <= 50


def test_json_holds_everything_and_nothing_else_is_printed(check: Check, flawed: Path) -> None:
    answer = check(flawed, "--json")
    assert (answer.code, answer.err) == (0, "")
    told = json.loads(answer.out)
    assert list(told) == [
        "origin", "source", "fingerprint", "size", "classes", "faces", "counts", "found", "copies",
        "near", "leaks", "votes", "labels", "notes",
    ]  # fmt: skip
    assert set(told["found"]) == set(KINDS) - {"unnamed", "no_face", "label_errors"}
    for found in told["found"].values():
        assert set(found) == {"total", "groups", "by_split", "rows"}
        assert found["by_split"] == {split: len(rows) for split, rows in found["rows"].items()}
        assert found["total"] == sum(found["by_split"].values())
        assert set(found["rows"]) <= {"train", "val", "test"}
    assert told["found"]["placeholders"]["rows"]["train"] == [flaws.SIGN]
    assert list(flaws.MAJORITY) in told["copies"]
    assert told["leaks"][1] == {
        "split": "test", "inside": ["train", "val"], "faces": 20, "exact": 2, "alike": 3,
    }  # fmt: skip
    assert told["near"]["threshold"] == 0.97
    assert set(told["near"]["copies"][0]) == {
        "row", "split", "other_row", "other_split", "correlation",
    }  # fmt: skip
    assert told["votes"] is told["labels"] is None


class _Page(HTMLParser):
    """The tags of a page, whether they are closed, and what they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "data")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_self_contained(check: Check, flawed: Path, tmp_path: Path) -> None:
    answer = check(flawed, "--html", tmp_path / "page.html")
    assert answer.code == 0
    assert f"{tmp_path / 'page.html'}: written" in answer.out
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = _Page(text)
    assert page.open == []
    assert page.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "This page contains no pictures" in text
    assert "10.0 % of the test faces have an exact copy in train or val" in text
    assert "15 of 60 faces have exact copies, in 7 groups: 8 faces are redundant" in text


def test_what_people_call_their_folders_is_no_markup(check: Check, tmp_path: Path) -> None:
    folders = {f"{split}/{name}": 3 for split in ("train", "val") for name in ("<b>cat", "dog&")}
    write_class_folders(tmp_path / "pictures", folders)
    assert check(tmp_path / "pictures", "--html", tmp_path / "page.html").code == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;cat" in text
    assert "<b>cat" not in text


def test_fixes_are_written(check: Check, flawed: Path, tmp_path: Path) -> None:
    path = tmp_path / "fixes.csv"
    answer = check(flawed, "--fix", path)
    assert f"{path}: drop 12 and relabel 0 faces of train and val" in answer.out
    assert f"data=fer2013 data.clean={path}" in answer.out
    assert len(read_fixes(path).fixes) == 12


def test_fixes_that_leave_nothing(check: Check, tmp_path: Path) -> None:
    """The validation faces are the test faces, saved again as JPEG."""
    root = tmp_path / "pictures"
    write_class_folders(root, {"train/a": 3, "train/b": 3})
    flat = np.linspace(0, 255, 48, dtype=np.uint8)
    for number, name in enumerate(("a", "b")):
        face = np.tile(flat if number else flat[::-1], (48, 1))
        write_picture(root / f"test/{name}/0.png", face)
        write_picture(root / f"val/{name}/0.jpg", face)
    answer = check(root, "--fix", tmp_path / "fixes.csv")
    assert (answer.code, answer.err) == (0, "")
    assert "nothing would be left in val: " in answer.out
    assert "left in train" not in answer.out
    assert [fix.split for fix in read_fixes(tmp_path / "fixes.csv").fixes] == ["val", "val"]


@pytest.mark.parametrize("form", ["{}.0", "words"])
def test_labels_as_floats_and_words(check: Check, tmp_path: Path, form: str) -> None:
    images, labels, usages = make_faces()
    written = [EMOTIONS[label] if form == "words" else form.format(label) for label in labels]
    answer = check(write_fer2013(tmp_path / "a.csv", images, written, usages), "--json")
    assert answer.code == 0
    wanted = check(write_fer2013(tmp_path / "b.csv", images, labels, usages), "--json")
    assert json.loads(answer.out)["counts"] == json.loads(wanted.out)["counts"]


def test_labels_that_mean_nothing_are_named(check: Check, tmp_path: Path) -> None:
    images, labels, usages = make_faces()
    path = write_fer2013(tmp_path / "a.csv", images, [f"class {n}" for n in labels], usages)
    refused(check(path), "60 rows are defective", "line 2: label 'class ")


def test_the_manifest(check: Check, flawed: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv.gz", "b.csv.gz")]
    for path in paths:
        assert check(flawed, "--manifest", path).code == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    rows = list(csv.DictReader(gzip.decompress(paths[0].read_bytes()).decode().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["row"]) for row in rows] == list(range(60))
    assert {row["split"] for row in rows[40:]} == {"PrivateTest"}
    groups = {int(row["row"]): row["group"] for row in rows}
    assert {groups[row] for row in flaws.MAJORITY} == {str(flaws.MAJORITY[0])}
    assert groups[flaws.TO_TEST[1]] == str(flaws.TO_TEST[0])
    assert groups[flaws.NEAR_TEST[0]] == ""
    assert [row["row"] for row in rows if row["blank"] == "1"] == [str(flaws.BLANK)]
    conflicts = [int(row["row"]) for row in rows if row["conflict"] == "1"]
    assert conflicts == [*flaws.MAJORITY, *flaws.TIE]
    assert {row["hash_certain"] for row in rows} == {""}


VOTES = [[0, 10, 0, 0, 0, 0, 0, 0, 0, 0]] * 50 + [[5, 0, 0, 5, 0, 0, 0, 0, 0, 0]] * 8
VOTES += [[0, 0, 0, 0, 0, 0, 0, 0, 0, 10], [1, 0, 0, 0, 0, 0, 0, 0, 9, 0]]


def test_votes_beside_the_faces_are_used(check: Check, tmp_path: Path) -> None:
    file = flaws.write_flawed_faces(tmp_path)
    _, labels, usages = flaws.make_flawed_faces()
    write_votes(tmp_path / "fer2013new.csv", usages, VOTES, unnamed=[58])
    answer = check(file, "--json", "--manifest", tmp_path / "m.csv")
    told = json.loads(answer.out)
    test = told["votes"]["test"]
    # Ten clear answers "happy", eight ties whose first is neutral, one is no face, one unnamed.
    assert test["clear"] == 10
    assert test["clear_agreed"] == (labels[40:50] == 3).sum()
    assert sum(test["faces"].values()) == 19
    assert sum(test["agreed"].values()) == (labels[40:50] == 3).sum() + (labels[50:58] == 6).sum()
    assert told["found"]["unnamed"]["rows"]["test"] == [58]
    assert told["found"]["no_face"]["rows"]["test"] == [59]
    assert "FER+'s crowd says what the label says" in check(file).out
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text().splitlines()))
    assert [row["row"] for row in rows if row["hash_certain"] == "0"] == ["58"]


def test_pictures_find_their_votes_by_the_manifest(check: Check, tmp_path: Path) -> None:
    file = flaws.write_flawed_faces(tmp_path / "csv")
    images, labels, usages = flaws.make_flawed_faces()
    votes = write_votes(tmp_path / "csv" / "fer2013new.csv", usages, VOTES, unnamed=[58])
    told = json.loads(check(file, "--json", "--manifest", tmp_path / "m.csv.gz").out)
    write_fer2013_folders(tmp_path / "png", images, labels, usages)
    joined = ("--votes", votes, "--rows", tmp_path / "m.csv.gz")
    again = json.loads(check(tmp_path / "png", "--json", *joined).out)
    assert again["source"] == "fer2013"
    assert again["votes"] == told["votes"]
    refused(check(tmp_path / "png", "--votes", votes), "do not tell their rows")
    # Without being asked for votes, it says nothing of them.
    write_votes(tmp_path / "png" / "fer2013new.csv", usages, VOTES)
    assert check(tmp_path / "png").code == 0


def test_a_folder_of_anyones_pictures(check: Check, tmp_path: Path) -> None:
    folders = {"train/cat": 9, "train/dog": 9, "test/cat": 3, "test/dog": 3}
    pictures = write_class_folders(tmp_path / "pictures", folders, size=(60, 80))
    write_picture(tmp_path / "pictures/train/dog/copy.png", pictures["test/cat/001.png"])
    (tmp_path / "pictures/train/dog/broken.png").write_bytes(b"no picture")
    told = json.loads(check(tmp_path / "pictures", "--json", "--size", "32").out)
    assert (told["source"], told["size"], told["classes"]) == ("folder", [32, 32], ["cat", "dog"])
    assert told["found"]["defective"]["total"] == 1
    assert told["found"]["spanning"]["groups"] == 1
    fixes = tmp_path / "fixes.csv"
    assert check(tmp_path / "pictures", "--fix", fixes).code == 0
    (line,) = fixes.read_text().splitlines()[2:]
    assert line.endswith(",drop,,exact copy in a later split,train/dog/copy.png")
    # The training reads the same faces, a val drawn from train among them.
    source = Cleaned(ImageFolder(str(tmp_path / "pictures"), defects="drop"), Cleaning(),
                     read_fixes(fixes))  # fmt: skip
    assert [f.detail for f in source.load().findings if f.what == "fix"] == [
        "exact copy in a later split"
    ]
    refused(check(tmp_path / "pictures", "--manifest", tmp_path / "m.csv"), "is for FER2013 as a")
    refused(check(tmp_path / "pictures", "--votes", fixes), "--votes and --rows are for FER2013")


def test_folders_of_fer2013_that_people_split_anew_are_their_own(
    check: Check, tmp_path: Path
) -> None:
    images, _, usages = make_faces(42)
    names = write_fer2013_folders(tmp_path, images, [i % 7 for i in range(42)], usages)
    assert json.loads(check(tmp_path, "--json").out)["source"] == "fer2013"
    moved = next(name for name in names if name.startswith("test"))
    (tmp_path / moved).rename(tmp_path / moved.replace("test/", "train/"))
    assert json.loads(check(tmp_path, "--json").out)["source"] == "folder"


def test_what_cannot_be_checked(check: Check, tmp_path: Path) -> None:
    refused(check(tmp_path / "nothing"), "does not exist")
    (tmp_path / "empty").mkdir()
    refused(check(tmp_path / "empty"), "holds no data set that is known", "train|val|test/<class>")
    (tmp_path / "data.csv").write_bytes(bytes(range(256)) * 20)
    refused(check(tmp_path / "data.csv"), "not in FER2013's form")
    (tmp_path / "list.csv").write_text("image,emotion\n1.jpg,happy\n")
    refused(check(tmp_path / "list.csv"), "A list of pictures is read by data=table")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(np.random.default_rng(0).bytes(5000))[:900])
    refused(check(tmp_path / "cut.csv.gz"), "cut.csv.gz")
    (tmp_path / "void.csv").touch()
    refused(check(tmp_path / "void.csv"), "the file is empty")
    for name in ("cat", "dog"):
        for split in ("train", "val"):
            folder = tmp_path / "broken" / split / name
            folder.mkdir(parents=True)
            (folder / "a.png").write_bytes(b"no picture")
    refused(check(tmp_path / "broken"), "none of its pictures can be read", "train/cat/a.png")


def test_wrong_use(check: Check, flawed: Path, tmp_path: Path) -> None:
    refused(check(flawed, "--fix", tmp_path), "is a folder; name a file")
    refused(check(flawed, "--html", flawed), "is named twice")
    refused(check(flawed, "--html", tmp_path / "a", "--fix", tmp_path / "a"), "is named twice")
    refused(check(flawed, "--votes", tmp_path / "a"), "there are no votes")
    refused(check(flawed, "--fix-labels", "3"), "needs --labels")
    assert list(tmp_path.iterdir()) == []
    for wrong in (["--near", "2"], ["--size", "a"], ["--val-share", "nan"], ["--fix-labels", "-1"]):
        answer = check(flawed, *wrong)
        assert answer.code == 2
        assert f"'{wrong[0]}'" in answer.err


def test_what_is_not_installed_is_named(
    check: Check, flawed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refused(check(flawed, "--labels"), "cleanlab", "pip install '.[labels]'")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_with_its_code(
    check: Check, flawed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fer.data.check.check.check", interrupt)
    assert check(flawed).code == 130


def stays(check: Check, file: Path, *arguments: object) -> None:
    before = file.read_bytes()
    refused(check(*arguments), "belongs to the data, which is never written over")
    assert file.read_bytes() == before


@pytest.mark.parametrize("option", ["--html", "--fix", "--manifest"])
def test_fer2013_and_its_votes_stay(check: Check, tmp_path: Path, option: str) -> None:
    faces = make_faces(21)
    file = write_fer2013(tmp_path / "data" / "fer2013.csv", *faces)
    votes = write_votes(tmp_path / "data" / "fer2013new.csv", faces[2], [[1] * 10] * 21)
    stays(check, file, file.parent, option, file.parent / ".." / "data" / "fer2013.csv")
    stays(check, votes, file, option, votes)
    other = votes.rename(tmp_path / "other.csv")
    stays(check, other, file, "--votes", other, option, other)


def test_pictures_and_their_table_stay(check: Check, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    files = list(write_class_folders(root, {"train/cat": 4, "train/dog": 4}))
    (root / "metadata.csv").write_text(f"path,age\n{files[0]},3\n", encoding="utf-8")
    stays(check, root / files[0], root, "--html", root / files[0])
    stays(check, root / "metadata.csv", root, "--fix", root / "metadata.csv")
    # Beside them there is room.
    assert check(root, "--fix", root / "fixes.csv").code == 0
