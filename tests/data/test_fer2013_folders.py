"""FER2013 as folders of pictures: the official split from the names, or none at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.core.labels import EMOTIONS
from fer.data._fer2013_folders import is_official
from fer.data.fer2013 import Fer2013
from fer.data.source import DataError, DataNotFoundError, Faces
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.picture_folders import write_fer2013_folders, write_picture

SPLITS = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Callable[[], Faces]:
    return lambda: Fer2013(str(root), str(tmp_path / "cache")).load()


@pytest.mark.parametrize("below", ["", "fer2013"])
def test_faces_come_back_with_their_official_split(
    root: Path, load: Callable[[], Faces], below: str
) -> None:
    images, labels, usages = make_faces()
    names = write_fer2013_folders(root / below, images, labels, usages)
    place = {name: i for i, name in enumerate(names)}
    for faces in (load(), load()):  # read, then from the cache
        assert faces.classes == EMOTIONS
        assert faces.origin == str(root / below)
        assert list(faces.names) == sorted(names)
        assert list(faces.splits) == ["train", "val", "test"]
        for name, split in faces.splits.items():
            assert len(split) == 20
            assert (np.diff(split.rows) > 0).all()
            order = [place[faces.names[row]] for row in split.rows]
            assert {usages[i] for i in order} == {SPLITS[name]}
            np.testing.assert_array_equal(split.images, images[order])
            np.testing.assert_array_equal(split.labels, labels[order])


def test_the_fingerprint_follows_the_contents(root: Path, load: Callable[[], Faces]) -> None:
    images, labels, usages = make_faces()
    names = write_fer2013_folders(root, images, labels, usages)
    first = load().fingerprint
    assert load().fingerprint == first
    write_picture(root / names[0], images[0] // 2)
    os.utime(root / names[0], ns=(1, 1))
    faces = load()
    assert faces.fingerprint != first
    row = faces.names.index(names[0])
    train = faces.splits["train"]
    np.testing.assert_array_equal(train.images[train.rows == row][0], images[0] // 2)


def test_jpeg_and_colour_are_read_as_grey(root: Path, load: Callable[[], Faces]) -> None:
    images, labels, usages = make_faces()
    flat = np.repeat(images[:, :1, :1], 48, axis=1).repeat(48, axis=2)
    colour = [np.repeat(image[..., None], 3, axis=2) for image in flat]
    write_fer2013_folders(root, colour, labels, usages, suffix=".jpg")
    found = np.sort(np.concatenate([s.images[:, 0, 0] for s in load().splits.values()]))
    np.testing.assert_allclose(found, np.sort(flat[:, 0, 0]), atol=2)


def test_synonyms_and_what_is_no_picture(root: Path, load: Callable[[], Faces]) -> None:
    write_fer2013_folders(root, *make_faces())
    (root / "train" / "happy").rename(root / "train" / "Happiness")
    (root / "train" / "sad" / "Thumbs.db").write_bytes(b"x")
    (root / "train" / "sad" / ".Training_9.jpg").write_bytes(b"x")
    (root / "train" / ".hidden").mkdir()
    assert sum(len(split) for split in load().splits.values()) == 60


def test_folders_by_other_names_and_depth(root: Path, load: Callable[[], Faces]) -> None:
    write_fer2013_folders(root, *make_faces())
    first = load()
    assert first.notes == ()
    (root / "train").rename(root / "Train")
    (root / "test").rename(root / "TEST")
    (root / "Train/sad").rename(root / "Train/x")
    (root / "Train/sad").mkdir()
    (root / "Train/x").rename(root / "Train/sad/deep")
    (root / "Train/sad/a.heic").touch()
    assert is_official(root)
    faces = load()
    assert faces.notes == (
        "left out: 1 file is no picture that can be read: 1 .heic (Train/sad/a.heic)",
    )
    for name, split in faces.splits.items():
        np.testing.assert_array_equal(
            np.bincount(split.labels), np.bincount(first.splits[name].labels)
        )
    # With a third folder it is anyone's.
    (root / "validation").mkdir()
    assert not is_official(root)


def test_a_csv_file_comes_before_pictures(root: Path, load: Callable[[], Faces]) -> None:
    write_fer2013_folders(root, *make_faces())
    path = write_fer2013(root / "fer2013.csv", *make_faces())
    assert load().origin == str(path)


def test_names_that_do_not_tell_the_split(root: Path, load: Callable[[], Faces]) -> None:
    names = write_fer2013_folders(root, *make_faces())
    (root / names[-1]).rename((root / names[-1]).with_name("im0.png"))
    with pytest.raises(DataError) as error:
        load()
    message = str(error.value)
    renamed = (Path(names[-1]).parent / "im0.png").as_posix()
    assert "1 of 60 pictures have names that do not tell their official split" in message
    assert f"such as {renamed}. " in message
    assert "PublicTest" in message
    assert "PrivateTest" in message
    assert "cannot be told apart" in message
    assert "data=folder data.root=FOLDER" in message


def test_a_picture_in_the_other_folder(root: Path, load: Callable[[], Faces]) -> None:
    names = write_fer2013_folders(root, *make_faces())
    (root / names[0]).rename(root / "test" / "happy" / "Training_5.png")
    with pytest.raises(DataError, match=r"test/happy/Training_5\.png is in test/, but its name"):
        load()


def test_a_folder_of_no_emotion(root: Path, load: Callable[[], Faces]) -> None:
    write_fer2013_folders(root, *make_faces())
    (root / "train" / "contempt").mkdir()
    with pytest.raises(DataError, match=r"unknown emotion 'contempt'.*data=folder"):
        load()


def test_train_without_test(root: Path, load: Callable[[], Faces]) -> None:
    (root / "train" / "happy").mkdir(parents=True)
    with pytest.raises(DataError, match="there is no folder test"):
        load()


def test_a_split_without_pictures(root: Path, load: Callable[[], Faces]) -> None:
    images, labels, usages = make_faces(usages=("Training", "PrivateTest"))
    write_fer2013_folders(root, images, labels, usages)
    with pytest.raises(DataError, match="no usable picture has the split PublicTest"):
        load()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: b"", "the file is empty"),
        (lambda data: b"hello", "this is no picture, or a corrupt one"),
        (lambda data: data[:400], "the picture is cut off"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_broken_pictures(
    root: Path,
    load: Callable[[], Faces],
    tmp_path: Path,
    *,
    suffix: str,
    change: Callable[[bytes], bytes],
    problem: str,
) -> None:
    names = write_fer2013_folders(root, *make_faces(), suffix=suffix)
    (root / names[3]).write_bytes(change((root / names[3]).read_bytes()))
    with pytest.raises(DataError) as error:
        load()
    assert f"1 of 60 pictures cannot be used:\n  {names[3]}: {problem}\n" in str(error.value)
    assert "data.clean.defects=drop" in str(error.value)

    faces = Fer2013(str(root), str(tmp_path / "cache"), "drop").load()
    (finding,) = faces.findings
    row = sorted(names).index(names[3])
    assert (finding.row, finding.split, finding.what, finding.action) == (
        row, "train", "defect", "dropped",
    )  # fmt: skip
    assert problem in finding.detail
    assert row not in faces.splits["train"].rows
    assert [len(split) for split in faces.splits.values()] == [19, 20, 20]


def test_broken_pictures_are_said_once(
    root: Path, load: Callable[[], Faces], capfd: pytest.CaptureFixture[str]
) -> None:
    names = write_fer2013_folders(root, *make_faces(), suffix=".pgm")
    (root / names[0]).write_bytes((root / names[0]).read_bytes()[:1000])
    with pytest.raises(DataError, match="1 of 60 pictures cannot be used"):
        load()
    assert capfd.readouterr().err == ""


def test_ten_broken_pictures_are_listed(root: Path, load: Callable[[], Faces]) -> None:
    images, labels, usages = make_faces()
    write_fer2013_folders(root, [image[:40] for image in images], labels, usages)
    with pytest.raises(DataError) as error:
        load()
    message = str(error.value)
    assert "60 of 60 pictures cannot be used" in message
    assert message.count("48×40 pixels instead of 48×48") == 10
    assert "... and 50 more" in message


def test_not_found_names_the_folders_too(root: Path, load: Callable[[], Faces]) -> None:
    root.mkdir()
    with pytest.raises(DataNotFoundError) as error:
        load()
    assert f"\n  {root / 'train'}\n" in str(error.value)
    assert f"\n  {root / 'fer2013.zip'}\n" in str(error.value)
