"""The source clips: a folder of frames each, labelled by folders or by a table."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.data.source import DataNotFoundError
from fer.data.sources import ClipFolder
from fer.pixels import square_grey
from tests.support.errors import raises
from tests.support.picture_folders import write_clip_folders, write_picture

COUNTS = {"train/no": 6, "train/yes": 6, "val/no": 1, "val/yes": 2, "test/yes": 3}

Make = Callable[..., ClipFolder]


@pytest.fixture
def make(root: Path, tmp_path: Path) -> Make:
    return lambda **more: ClipFolder(
        **{"root": str(root), "size": 16, "cache": str(tmp_path / "cache"), **more}
    )


def table(root: Path, *rows: str, header: str = "path,label,split") -> str:
    path = root / "clips.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_splits_by_other_names_and_what_is_left_out(root: Path, make: Make) -> None:
    write_clip_folders(root, {f"{s}/{c}": 2 for s in ("Train", "valid") for c in ("no", "yes")})
    assert make().load().notes == ()
    (root / "Train/no/clip0/a.heic").touch()
    (root / "Train/no/clip0/deeper").mkdir()
    faces = make().load()
    assert {name: len(split) for name, split in faces.splits.items()} == {"train": 4, "val": 4}
    (note,) = faces.notes
    assert "1 .heic (Train/no/clip0/a.heic)" in note
    assert "1 folder (Train/no/clip0/deeper)" in note


def test_clips_come_back_in_order_and_scaled(root: Path, make: Make) -> None:
    clips = write_clip_folders(root, COUNTS)
    for _ in range(2):  # read, then from the cache
        faces = make().load()
        assert faces.classes == ("no", "yes") == make().class_names()
        assert list(faces.names) == sorted(clips)
        assert {name: len(s) for name, s in faces.splits.items()} == {
            "train": 12, "val": 3, "test": 3,
        }  # fmt: skip
        for name, split in faces.splits.items():
            assert split.lengths is not None
            for i, row in enumerate(split.rows.tolist()):
                folder, of, _ = faces.names[row].split("/")
                assert (folder, of) == (name, faces.classes[split.labels[i]])
                wanted = [square_grey(frame, 16) for frame in clips[faces.names[row]]]
                assert split.lengths[i] == len(wanted)
                np.testing.assert_array_equal(split.images[i, : len(wanted)], wanted)


def test_numbers_in_names_count_as_numbers(root: Path, make: Make) -> None:
    for name in ("no", "yes"):
        for number in (1, 2, 10, 100):
            grey = np.full((16, 16), number, dtype=np.uint8)
            for split in ("train", "val"):
                write_picture(root / split / name / "c" / f"frame{number}.png", grey)
    split = make().load().splits["train"]
    assert split.images[0, :, 0, 0].tolist() == [1, 2, 10, 100]
    thinned = make(frames=2).load().splits["train"]
    assert thinned.images[0, :, 0, 0].tolist() == [1, 100]


def test_a_table_says_where_clips_lie(root: Path, make: Make) -> None:
    write_clip_folders(root, {"films": 6})
    rows = [f"films/clip{i},{'ab'[i % 2]},{s}" for i, s in enumerate(["train"] * 4 + ["val"] * 2)]
    for chosen in (root, None):
        source = make(root=chosen and str(chosen), labels=table(root, *rows))
        faces = source.load()
        assert faces.classes == source.class_names() == ("a", "b")
        assert faces.splits["train"].labels.tolist() == [0, 1, 0, 1]
        assert list(faces.splits) == ["train", "val"]


def test_without_val_a_share_of_train_takes_its_place(root: Path, make: Make) -> None:
    write_clip_folders(root, {"train/no": 6, "train/yes": 5})
    faces = make(val_share=0.2).load()
    assert {name: len(s) for name, s in faces.splits.items()} == {"train": 9, "val": 2}
    with raises("no_split", "data.val_share"):
        make(val_share=0).load()


def test_broken_frames_and_empty_clips_are_listed_or_left_out(root: Path, make: Make) -> None:
    write_clip_folders(root, COUNTS)
    (root / "train/no/clip5/frame2.png").write_bytes(b"no picture")
    with raises("broken_pictures", "train/no/clip5/frame2.png"):
        make().load()
    (root / "train/yes/nothing").mkdir()
    (root / "train/yes/clip0/frame0.png").write_bytes(b"no picture either")
    with raises("empty_clips", "train/yes/nothing"):
        make().load()
    faces = make(defects="drop").load()
    train = faces.splits["train"]
    assert len(train) == 11, "clip0 of yes had one frame"
    lengths = dict(zip([faces.names[r] for r in train.rows], train.lengths, strict=True))  # type: ignore[arg-type]
    assert lengths["train/no/clip5"] == 5
    found = [(one.action, one.detail.split(":")[0]) for one in faces.findings]
    assert found == [
        ("kept", "train/no/clip5"), ("dropped", "train/yes/clip0"), ("dropped", "train/yes/nothing")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "code", "where"),
    [
        (shutil.rmtree, "data_not_found", "data"),
        (lambda root: shutil.rmtree(root / "train"), "data_not_found", "data"),
        (lambda root: shutil.rmtree(root / "train/yes"), "class_folders", "train"),
        (lambda root: (root / "test/perhaps").mkdir(), "class_folders", "test/perhaps"),
        (
            lambda root: [shutil.rmtree(path) for path in (root / "train/no").iterdir()],
            "empty_class",
            "train/no",
        ),
        (
            lambda root: shutil.copy(root / "train/no/clip0/frame0.png", root / "train/no/a.png"),
            "not_clips",
            "train/no/a.png",
        ),
    ],
)
def test_folders_that_are_not_as_they_should_be(
    root: Path, make: Make, spoil: Callable[[Path], object], code: str, where: str
) -> None:
    write_clip_folders(root, COUNTS)
    spoil(root)
    with raises(code, where):
        make().load()


def test_clips_of_a_table_that_are_not_there(root: Path, make: Make) -> None:
    write_clip_folders(root, {"f": 3})
    with raises("file_not_found", "clips.csv:3"):
        make(labels=table(root, "f/clip0,a,train", "f/clip9,b,train")).load()


def test_what_is_not_named_is_asked_for(make: Make, root: Path) -> None:
    with raises("no_root", "data.root", DataNotFoundError):
        make(root=None).load()
    with raises("data_not_found", "none.csv", DataNotFoundError):
        make(labels=f"{root}/none.csv").class_names()
    with pytest.raises(ValueError, match="frames"):
        make(frames=0)
