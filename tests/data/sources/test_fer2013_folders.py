"""FER2013 as folders of pictures: the official split from the names, or none at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.core.labels import EMOTIONS
from fer.data.source import DataError, Faces
from fer.data.sources.fer2013 import is_official
from tests.support.errors import raises
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.picture_folders import write_fer2013_folders, write_picture

SPLITS = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}


Load = Callable[..., Faces]


@pytest.mark.parametrize("below", ["", "fer2013"])
def test_faces_come_back_with_their_official_split(root: Path, load: Load, below: str) -> None:
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


def test_the_fingerprint_follows_the_contents(root: Path, load: Load) -> None:
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


def test_folders_by_other_names_and_depth(root: Path, load: Load) -> None:
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


def test_a_csv_file_comes_before_pictures(root: Path, load: Load) -> None:
    write_fer2013_folders(root, *make_faces())
    path = write_fer2013(root / "fer2013.csv", *make_faces())
    assert load().origin == str(path)


def move(place: int, to: str) -> Callable[[Path, list[str]], object]:
    return lambda root, names: (root / names[place]).rename(root / to)


@pytest.mark.parametrize(
    ("spoil", "code", "where"),
    [
        (move(-1, "test/happy/im0.png"), "not_official", "test/happy/im0.png"),
        (move(0, "test/happy/Training_5.png"), "not_official", "test/happy/Training_5.png"),
        (lambda root, _: (root / "train/contempt").mkdir(), "not_official", "train/contempt"),
        (lambda root, _: shutil.rmtree(root / "test"), "not_official", "test"),
        (
            lambda root, _: [path.unlink() for path in root.rglob("PublicTest*")],
            "no_split",
            "data",
        ),
    ],
)
def test_folders_that_are_not_as_published(
    root: Path,
    load: Load,
    *,
    spoil: Callable[[Path, list[str]], object],
    code: str,
    where: str,
) -> None:
    spoil(root, write_fer2013_folders(root, *make_faces()))
    with raises(code, where):
        load()


@pytest.mark.parametrize(
    "change", [lambda data: b"", lambda data: b"hello", lambda data: data[:400]]
)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".pgm"])
def test_broken_pictures(
    root: Path,
    load: Load,
    capfd: pytest.CaptureFixture[str],
    *,
    suffix: str,
    change: Callable[[bytes], bytes],
) -> None:
    names = write_fer2013_folders(root, *make_faces(), suffix=suffix)
    (root / names[3]).write_bytes(change((root / names[3]).read_bytes()))
    with raises("broken_pictures", names[3]):
        load()
    assert capfd.readouterr().err == "", "decoders say nothing of their own"
    faces = load(defects="drop")
    (finding,) = faces.findings
    row = sorted(names).index(names[3])
    assert (finding.row, finding.split, finding.what, finding.action) == (
        row, "train", "defect", "dropped",
    )  # fmt: skip
    assert finding.detail.startswith(f"{names[3]}: ")
    assert row not in faces.splits["train"].rows
    assert [len(split) for split in faces.splits.values()] == [19, 20, 20]


def test_pictures_of_another_size(root: Path, load: Load) -> None:
    images, labels, usages = make_faces()
    write_fer2013_folders(root, [image[:40] for image in images], labels, usages)
    with pytest.raises(DataError) as error:
        load()
    message = str(error.value)
    assert "60 of 60 pictures cannot be used" in message
    assert message.count("48×40 pixels instead of 48×48") == 10
    assert "... and 50 more" in message
