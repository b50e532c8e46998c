"""The source folder: anyone's pictures, whatever their size, classes and metadata."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer.core.labels import EMOTIONS
from fer.data.check.check import check
from fer.data.check.open_dataset import open_dataset
from fer.data.check.report import text_report
from fer.data.source import DataError, DataNotFoundError, Faces
from fer.data.sources import ImageFolder
from fer.data.sources.pictures import PictureSource
from fer.pixels import Fit, square_grey
from tests.support.errors import raises
from tests.support.picture_folders import write_class_folders, write_picture

COUNTS = {
    "train/cat": 4, "train/dog": 3, "train/owl": 5,
    "val/cat": 2, "val/dog": 1, "val/owl": 1,
    "test/cat": 2, "test/owl": 1,
}  # fmt: skip


@pytest.fixture
def source(root: Path, tmp_path: Path) -> Callable[..., ImageFolder]:
    return lambda **more: ImageFolder(str(root), cache=str(tmp_path / "cache"), **more)


def names_of(faces: Faces, split: str) -> list[str]:
    return [faces.names[row] for row in faces.splits[split].rows]


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("size", [16, 48])
def test_pictures_come_back_scaled(
    root: Path, source: Callable[..., ImageFolder], size: int, fit: Fit
) -> None:
    pictures = write_class_folders(root, COUNTS)
    for _ in range(2):  # read, then from the cache
        faces = source(size=size, fit=fit).load()
        assert faces.classes == ("cat", "dog", "owl") == source().class_names()
        assert list(faces.names) == sorted(pictures)
        assert list(faces.splits) == ["train", "val", "test"]
        for name, split in faces.splits.items():
            assert split.images.shape[1:] == (size, size)
            assert not split.images.flags.writeable, "a map of the cache"
            for image, label, row in zip(split.images, split.labels, split.rows, strict=True):
                folder, of, _ = faces.names[row].split("/")
                assert (folder, of) == (name, faces.classes[label])
                expected = square_grey(pictures[faces.names[row]], size, fit)
                np.testing.assert_array_equal(image, expected)
    assert [len(split) for split in faces.splits.values()] == [12, 4, 3]


def test_the_seven_emotions_keep_the_projects_order(
    root: Path, source: Callable[..., ImageFolder]
) -> None:
    words = ("Happiness", "neutral", "sadness", "ANGER", "fear", "surprised", "disgust")
    write_class_folders(root, {f"{s}/{w}": 2 for s in ("train", "val") for w in words})
    write_class_folders(root, {"test/joy": 1, "test/angry": 1})
    faces = source().load()
    assert faces.classes == EMOTIONS == source().class_names()
    labels = dict(zip(names_of(faces, "train"), faces.splits["train"].labels.tolist(), strict=True))
    assert labels["train/Happiness/000.png"] == EMOTIONS.index("happy")
    assert labels["train/ANGER/001.png"] == EMOTIONS.index("angry")
    assert faces.splits["test"].labels.tolist() == [0, 3]


# --- splits --------------------------------------------------------------------------------------


def test_without_val_a_share_of_each_class_takes_its_place(
    root: Path, source: Callable[..., ImageFolder], caplog: pytest.LogCaptureFixture
) -> None:
    write_class_folders(root, {"train/cat": 40, "train/dog": 10, "train/owl": 2, "train/yak": 1})
    with caplog.at_level(logging.WARNING, logger="fer"):
        faces = source(val_share=0.2).load()
    assert "has no split 'val': 11 of its 53 training pictures" in caplog.text
    assert list(faces.splits) == ["train", "val"]
    train, val = faces.splits["train"], faces.splits["val"]
    assert np.bincount(val.labels, minlength=4).tolist() == [8, 2, 1, 0]
    assert np.bincount(train.labels).tolist() == [32, 8, 1, 1]
    assert sorted([*train.rows, *val.rows]) == list(range(53))
    again = source(val_share=0.2).load().splits["val"].rows
    np.testing.assert_array_equal(again, val.rows)
    assert source(val_share=0.2, seed=1).load().splits["val"].rows.tolist() != val.rows.tolist()


def test_without_val_and_without_a_share(root: Path, source: Callable[..., ImageFolder]) -> None:
    write_class_folders(root, {"train/cat": 4, "train/dog": 4})
    with raises("no_split", "data.val_share"):
        source(val_share=0.0).load()


@pytest.mark.parametrize(
    ("folders", "code", "where"),
    [
        ({"train/cat": 1}, "class_folders", "train"),
        ({"train/cat": 1, "train/dog": 0}, "empty_class", "train/dog"),
        ({"train/cat": 1, "train/dog": 1, "test/fox": 1}, "class_folders", "test/fox"),
        ({"train/cat": 1, "train/dog": 1, "val/Cat": 1}, "class_folders", "val/Cat"),
        ({"train/cat": 1, "train/dog": 1, "val/cat": 1}, "class_folders", "val"),
        ({**{f"train/{n}": 1 for n in EMOTIONS}, "train/joy": 1}, "class_folders", "train"),
        (
            {**{f"train/{n}": 1 for n in EMOTIONS}, "test/contempt": 1},
            "class_folders",
            "test/contempt",
        ),
        ({"train/cat": 1, "train/dog": 1, "val/cat": 1, "valid/cat": 1}, "class_folders", "data"),
    ],
)
def test_classes_that_do_not_agree(
    root: Path,
    source: Callable[..., ImageFolder],
    folders: dict[str, int],
    code: str,
    where: str,
) -> None:
    write_class_folders(root, folders)
    with raises(code, where):
        source().load()


def test_not_found(tmp_path: Path) -> None:
    for call in (ImageFolder.load, ImageFolder.class_names):
        with raises("no_root", "data.root", DataNotFoundError):
            call(ImageFolder(None))
        with raises("data_not_found", "nowhere", DataNotFoundError):
            call(ImageFolder(str(tmp_path / "nowhere")))
        with raises("data_not_found", tmp_path.name, DataNotFoundError):
            call(ImageFolder(str(tmp_path)))


@pytest.mark.parametrize(
    "wrong",
    [{"size": 0}, {"fit": "cut"}, {"val_share": 1.0}, {"seed": -1}, {"defects": "keep"}],
)
def test_arguments_out_of_range(root: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ImageFolder(str(root), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("Train", "validation", "Test"), ("training", "valid", "testing"), ("TRAIN", "Val", "TEST")],
)
def test_splits_by_other_names(
    root: Path, source: Callable[..., ImageFolder], train: str, val: str, test: str
) -> None:
    names = {"train": train, "val": val, "test": test}
    counts = {f"{names[a]}/{b}": n for (a, b), n in ((w.split("/"), n) for w, n in COUNTS.items())}
    pictures = write_class_folders(root, counts)
    (root / "metadata.csv").write_text(f"path,age\n{train}/cat/000.png,7\n")
    faces = source().load()
    assert faces.classes == ("cat", "dog", "owl")
    assert {name: len(split) for name, split in faces.splits.items()} == {
        "train": 12, "val": 4, "test": 3,
    }  # fmt: skip
    for name, split in faces.splits.items():
        for image, label, row in zip(split.images, split.labels, split.rows, strict=True):
            assert faces.names[row].startswith(f"{names[name]}/{faces.classes[label]}/")
            np.testing.assert_array_equal(image, square_grey(pictures[faces.names[row]], 48))
    assert np.nansum(faces.splits["train"].metadata["age"]) == 7
    (checked, _) = open_dataset(
        root, size=48, fit="pad", val_share=0.1, cache=str(root / "../cache")
    )
    assert checked.fingerprint == faces.fingerprint


def test_what_is_read_and_what_is_left_out(
    root: Path, source: Callable[..., ImageFolder], caplog: pytest.LogCaptureFixture
) -> None:
    write_class_folders(root, {**COUNTS, "train/cat/deep/er": 3})
    assert source().load().notes == ()
    for name in ("dog/a.jfif", "dog/b.jpe", "cat/deep/c.mpo"):
        picture = write_picture(root / "spare.jpg", np.full((9, 9), 50, dtype=np.uint8))
        picture.rename(root / "train" / name)
    for name in ("dog/1.heic", "dog/2.HEIC", "cat/deep/er/notes.txt", "cat/deep/.hidden.png"):
        (root / "train" / name).touch()
    (root / "val/loose.png").touch()
    (root / "extra").mkdir()
    faces = source().load()
    labels = faces.splits["train"].labels
    assert np.bincount(labels).tolist() == [8, 5, 5]
    (note,) = faces.notes
    for kind in ("2 .heic (train/dog/1.heic, …)", "1 .txt (train/cat/deep/er/notes.txt)",
                 "1 hidden (", "1 folder of no split (extra)",
                 "1 picture in no class (val/loose.png)"):  # fmt: skip
        assert kind in note
    assert note in caplog.text
    assert note in text_report(check(faces, "folder"))


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_that_lead_nowhere_are_broken_pictures(
    root: Path, source: Callable[..., ImageFolder]
) -> None:
    pictures = write_class_folders(root, COUNTS)
    (root / "train/cat/self.png").symlink_to("self.png")
    (root / "train/cat/gone.png").symlink_to("nowhere.png")
    (root / "train/self").symlink_to("self")
    with raises("broken_pictures", "train/cat/gone.png"):
        source().load()
    assert len(source(defects="drop").load().splits["train"]) == 12
    write_picture(root / "train/cat/nowhere.png", pictures["train/cat/000.png"])
    assert len(source(defects="drop").load().splits["train"]) == 14


# --- changes and defects -------------------------------------------------------------------------


def test_changes_are_seen(root: Path, source: Callable[..., ImageFolder]) -> None:
    pictures = write_class_folders(root, COUNTS)
    first = source().load()
    assert source().load().fingerprint == first.fingerprint
    name = "train/cat/001.png"
    write_picture(root / name, 255 - pictures[name])
    os.utime(root / name, ns=(1, 1))
    second = source().load()
    assert second.fingerprint != first.fingerprint
    write_picture(root / "train/cat/zzz.png", pictures[name])
    assert len(source().load().splits["train"]) == 13
    assert source(size=16).load().fingerprint != source().load().fingerprint


def test_broken_pictures_are_listed_or_dropped(
    root: Path, source: Callable[..., ImageFolder]
) -> None:
    write_class_folders(root, {**COUNTS, "train/owl": 30})
    for i in range(12):
        (root / f"train/owl/{i:03}.png").write_bytes(b"broken")
    (root / "test/cat/000.png").write_bytes(b"")
    with pytest.raises(DataError) as error:
        source().load()
    message = str(error.value)
    assert "13 of 44 pictures cannot be used:\n  test/cat/000.png: the file is empty\n" in message
    assert message.count(".png: ") == 10
    assert "... and 3 more\n" in message
    assert "data.clean.defects=drop" in message

    faces = source(defects="drop").load()
    assert [len(split) for split in faces.splits.values()] == [25, 4, 2]
    assert [(f.split, f.what, f.action) for f in faces.findings] == [
        ("test", "defect", "dropped"), *[("train", "defect", "dropped")] * 12,
    ]  # fmt: skip
    assert faces.findings[1].detail == ("train/owl/000.png: this is no picture, or a corrupt one")
    for split in faces.splits.values():
        for row, label in zip(split.rows, split.labels, strict=True):
            assert faces.names[row].split("/")[1] == faces.classes[label]


def test_files_that_change_meanwhile(
    root: Path, source: Callable[..., ImageFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = write_class_folders(root, COUNTS)
    read = PictureSource._read_all

    def read_slowly(*arguments: Any) -> Any:
        write_picture(root / "val/cat/new.png", pictures["val/cat/000.png"])
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(PictureSource, "_read_all", read_slowly)
        with raises("changed_meanwhile", "data"):
            source().load()
    assert len(source().load().splits["val"]) == 5


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names are text there")
@pytest.mark.parametrize("place", [b"train/cat/\xff.png", b"train/c\xffat/1.png"])
def test_names_that_are_no_text_are_refused(
    root: Path, source: Callable[..., ImageFolder], place: bytes
) -> None:
    names = list(write_class_folders(root, {"train/cat": 2, "train/dog": 2}))
    target = root / os.fsdecode(place)
    target.parent.mkdir(exist_ok=True)
    (root / names[0]).rename(target)
    with raises("name_not_utf8"):
        source().load()


@pytest.mark.skipif(os.name == "nt", reason="pipes are POSIX")
def test_a_pipe_among_them_is_a_defect(root: Path, source: Callable[..., ImageFolder]) -> None:
    write_class_folders(root, COUNTS)
    os.mkfifo(root / "train/cat/pipe.png")
    with raises("broken_pictures", "train/cat/pipe.png"):
        source().load()
    (finding,) = source(defects="drop").load().findings
    assert finding.detail.startswith("train/cat/pipe.png: ")


# --- metadata ------------------------------------------------------------------------------------


def test_metadata_is_joined_by_path(root: Path, source: Callable[..., ImageFolder]) -> None:
    write_class_folders(root, COUNTS)
    before = source().load()
    assert before.splits["train"].metadata == {}
    (root / "metadata.csv").write_text(
        "\ufeffage, path ,gender\n31,train/cat/000.png,female\n,test/owl/000.png,male\n\n"
        "7.5,./train\\dog\\001.png,\n",
        encoding="utf-8",
    )
    faces = source().load()
    assert faces.fingerprint != before.fingerprint
    train, test = faces.splits["train"].metadata, faces.splits["test"].metadata
    assert list(train) == ["age", "gender"]
    assert train["age"].dtype == np.float32
    names = names_of(faces, "train")
    ages = dict(zip(names, train["age"].tolist(), strict=True))
    assert ages.pop("train/cat/000.png") == 31
    assert ages.pop("train/dog/001.png") == 7.5
    assert np.isnan(list(ages.values())).all()
    genders = dict(zip(names, train["gender"].tolist(), strict=True))
    assert genders.pop("train/cat/000.png") == "female"
    assert set(genders.values()) == {""}
    assert test["gender"].tolist() == ["", "", "male"]
    assert np.isnan(test["age"]).all()


def test_metadata_of_pictures_that_are_not_there(
    root: Path, source: Callable[..., ImageFolder]
) -> None:
    write_class_folders(root, COUNTS)
    (root / "metadata.csv").write_text("path\ntrain/cat/000.png\ntrain/cat/9.png\n")
    with raises("file_not_found", "metadata.csv:3"):
        source().load()
