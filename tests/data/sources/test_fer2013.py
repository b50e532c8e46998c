"""The source fer2013: where it looks and what it reads."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.core.labels import EMOTIONS
from fer.data.source import DataNotFoundError, Faces
from fer.data.sources import Fer2013
from tests.support.errors import raises
from tests.support.fer2013_csv import make_faces, row_text, write_fer2013, write_lines

Load = Callable[..., Faces]


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True], ids=["csv", "gz"])
def test_faces_come_back_as_written(root: Path, load: Load, compress: bool) -> None:
    images, labels, usages = make_faces()
    name = "fer2013.csv.gz" if compress else "fer2013.csv"
    path = write_fer2013(root / name, images, labels, usages, compress)

    for faces in (load(), load()):  # parsed, then from the cache
        assert faces.classes == EMOTIONS
        assert faces.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
        assert faces.origin == str(path)
        assert list(faces.splits) == ["train", "val", "test"]
        for i, split in enumerate(faces.splits.values()):
            expected = slice(20 * i, 20 * (i + 1))
            assert split.images.dtype == np.uint8
            assert split.labels.dtype == split.rows.dtype == np.int64
            np.testing.assert_array_equal(split.images, images[expected])
            np.testing.assert_array_equal(split.labels, labels[expected])
            np.testing.assert_array_equal(split.rows, np.arange(60)[expected])


def test_interleaved_splits_are_told_apart_by_row(root: Path, load: Load) -> None:
    images, labels, usages = make_faces()
    order = np.random.default_rng(1).permutation(60)
    shuffled = [usages[i] for i in order]
    write_fer2013(root / "fer2013.csv", images, labels, shuffled)
    names = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
    for name, split in load().splits.items():
        rows = [i for i in range(60) if shuffled[i] == names[name]]
        assert split.rows.tolist() == rows
        np.testing.assert_array_equal(split.images, images[rows])
        np.testing.assert_array_equal(split.labels, labels[rows])


def test_columns_are_found_by_name(root: Path, load: Load) -> None:
    rows = (row_text(*row).split(",") for row in zip(*make_faces(), strict=True))
    write_lines(root / "fer2013.csv", [" Usage,id, pixels ,emotion"])
    with (root / "fer2013.csv").open("a") as file:
        file.writelines(f"{usage},x,{pixels},{label}\n" for label, pixels, usage in rows)
    images, labels, _ = make_faces()
    test = load().splits["test"]
    np.testing.assert_array_equal(test.images, images[40:])
    np.testing.assert_array_equal(test.labels, labels[40:])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="byte order mark"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda data: data.replace(b" ", b"  ").replace(b",", b" , "), id="spaces"),
        pytest.param(lambda data: data.replace(b" ", b"\t"), id="tabs"),
        pytest.param(lambda data: data.replace(b"\n", b"\n \n"), id="blank lines"),
        pytest.param(lambda data: data.rstrip(b"\n"), id="no last line end"),
        pytest.param(lambda data: re.sub(rb"[^,\n]+", rb'"\g<0>"', data), id="quotes"),
        pytest.param(lambda data: data.replace(b" 7 ", b" 007 "), id="leading zeros"),
    ],
)
def test_other_spellings_of_the_same_rows(
    root: Path, load: Load, change: Callable[[bytes], bytes]
) -> None:
    images, labels, usages = make_faces()
    path = write_fer2013(root / "fer2013.csv", images, labels, usages)
    data = path.read_bytes()
    assert change(data) != data
    path.write_bytes(change(data))
    splits = load().splits.values()
    np.testing.assert_array_equal(np.concatenate([s.images for s in splits]), images)
    np.testing.assert_array_equal(np.concatenate([s.labels for s in splits]), labels)
    np.testing.assert_array_equal(np.concatenate([s.rows for s in splits]), np.arange(60))


# --- where it is looked for ---------------------------------------------------------------------


def test_places_and_their_order(root: Path, load: Load) -> None:
    for name in ("fer2013/fer2013.csv.gz", "fer2013/fer2013.csv", "fer2013.csv.gz", "fer2013.csv"):
        # Browsers unpack a .gz and keep its name: the content tells.
        path = write_fer2013(root / name, *make_faces(), compress=not name.endswith("gz"))
        assert load().origin == str(path)
    assert load(path.rename(root / "faces.txt")).origin == str(root / "faces.txt")


def test_not_found(tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FER_DATA_ROOT", raising=False)
    with raises("no_root", "data.root", DataNotFoundError):
        Fer2013(None, str(tmp_path)).load()
    with raises("data_not_found", "nowhere", DataNotFoundError):
        load(tmp_path / "nowhere")
    with pytest.raises(DataNotFoundError) as error:
        load(tmp_path)
    message = str(error.value)
    for place in ("fer2013.csv", "fer2013/fer2013.csv.gz", "fer2013.zip", "train"):
        assert f"\n  {tmp_path / place}\n" in message
    for way_out in ("challenges-in-representation-learning", "FER_DATA_ROOT", "data=synthetic"):
        assert way_out in message


def test_root_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_fer2013(tmp_path / "fer2013.csv", *make_faces())
    monkeypatch.setenv("FER_DATA_ROOT", str(tmp_path))
    assert Fer2013(cache=str(tmp_path / "cache")).load().origin == str(path)


def test_a_changed_file_is_read_again(root: Path, load: Load) -> None:
    for seed in (0, 1):
        images, labels, usages = make_faces(seed=seed)
        write_fer2013(root / "fer2013.csv", images, labels, usages)
        train = load().splits["train"]
        np.testing.assert_array_equal(train.images, images[:20])
        np.testing.assert_array_equal(train.labels, labels[:20])


# --- the real file ------------------------------------------------------------------------------


def test_official_counts(official: Faces) -> None:
    counts = {name: np.bincount(split.labels).tolist() for name, split in official.splits.items()}
    assert counts == {
        "train": [3995, 436, 4097, 7215, 4830, 3171, 4965],
        "val": [467, 56, 496, 895, 653, 415, 607],
        "test": [491, 55, 528, 879, 594, 416, 626],
    }
    sizes = {name: split.images.shape for name, split in official.splits.items()}
    assert sizes == {"train": (28709, 48, 48), "val": (3589, 48, 48), "test": (3589, 48, 48)}
    rows = np.concatenate([split.rows for split in official.splits.values()])
    np.testing.assert_array_equal(rows, np.arange(35887))


def test_official_pixels(official: Faces) -> None:
    """Every 1,000th face equals what plain Python reads from its row."""
    path = Path(official.origin)
    images = np.concatenate([split.images for split in official.splits.values()])
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        next(file)
        for row, line in enumerate(file):
            if row % 1000 == 0:
                pixels = [int(word) for word in line.split(",")[1].split()]
                assert images[row].ravel().tolist() == pixels
