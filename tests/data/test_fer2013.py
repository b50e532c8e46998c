"""The source fer2013: where it looks and what it reads."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.core.labels import EMOTIONS
from fer.data.fer2013 import Fer2013
from fer.data.source import DataNotFoundError, Faces
from tests.support.fer2013_csv import HEADER, make_faces, row_text, write_fer2013, write_lines

OFFICIAL_GZ = "e9aeabf8ea2745afd961e65d5993f5ae76945067546304b3f4b37aaa3b40d89d"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Callable[[], Faces]:
    return lambda: Fer2013(str(root), str(tmp_path / "cache")).load()


@pytest.fixture
def lines() -> list[str]:
    """A sound file of 60 rows, as lines; ``lines[k]`` is line ``k + 1``."""
    return [HEADER, *(row_text(*row) for row in zip(*make_faces(), strict=True))]


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True], ids=["csv", "gz"])
def test_faces_come_back_as_written(root: Path, load: Callable[[], Faces], compress: bool) -> None:
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


def test_images_are_read_only_maps_of_the_cache(root: Path, load: Callable[[], Faces]) -> None:
    write_fer2013(root / "fer2013.csv", *make_faces())
    split = load().splits["val"]
    assert isinstance(split.images, np.memmap)
    assert not split.images.flags.writeable
    assert split.labels.flags.writeable


def test_interleaved_splits_are_told_apart_by_row(root: Path, load: Callable[[], Faces]) -> None:
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


def test_columns_are_found_by_name(root: Path, load: Callable[[], Faces], lines: list[str]) -> None:
    rows = (line.split(",") for line in lines[1:])
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
    root: Path, load: Callable[[], Faces], change: Callable[[bytes], bytes]
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


def test_places_and_their_order(root: Path, load: Callable[[], Faces]) -> None:
    for name in (
        "fer2013/fer2013.csv.gz",
        "fer2013/fer2013.csv",
        "fer2013.csv.gz",
        "fer2013.csv",
    ):
        path = write_fer2013(root / name, *make_faces(), compress=name.endswith("gz"))
        assert load().origin == str(path)


def test_gzip_is_told_by_content_not_by_name(root: Path, load: Callable[[], Faces]) -> None:
    write_fer2013(root / "fer2013.csv.gz", *make_faces(), compress=False)
    assert len(load().splits["train"]) == 20
    write_fer2013(root / "fer2013.csv", *make_faces(), compress=True)
    assert load().origin.endswith(".csv")


def test_root_may_be_the_file(tmp_path: Path) -> None:
    path = write_fer2013(tmp_path / "faces.txt", *make_faces())
    assert Fer2013(str(path), str(tmp_path / "cache")).load().origin == str(path)


def test_not_found_names_the_places_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError) as error:
        Fer2013(str(tmp_path), str(tmp_path / "cache")).load()
    message = str(error.value)
    for place in ("fer2013.csv", "fer2013.csv.gz", "fer2013/fer2013.csv", "fer2013/fer2013.csv.gz"):
        assert f"\n  {tmp_path / place}\n" in message
    assert "challenges-in-representation-learning-facial-expression-recognition" in message
    assert "fer2013.tar.gz" in message
    assert "FER_DATA_ROOT" in message
    assert "data.root=FOLDER" in message
    assert "data=synthetic" in message


def test_root_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"nowhere does not exist"):
        Fer2013(str(tmp_path / "nowhere"), str(tmp_path)).load()


def test_root_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FER_DATA_ROOT", raising=False)
    with pytest.raises(DataNotFoundError, match=r"neither data\.root nor FER_DATA_ROOT") as error:
        Fer2013(None, str(tmp_path)).load()
    assert "data=synthetic" in str(error.value)


def test_root_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_fer2013(tmp_path / "fer2013.csv", *make_faces())
    monkeypatch.setenv("FER_DATA_ROOT", str(tmp_path))
    assert Fer2013(cache=str(tmp_path / "cache")).load().origin == str(path)


def test_nothing_is_written_beside_the_data(root: Path, load: Callable[[], Faces]) -> None:
    write_fer2013(root / "fer2013.csv", *make_faces())
    before = root.stat().st_mtime_ns
    load()
    assert [p.name for p in root.iterdir()] == ["fer2013.csv"]
    assert root.stat().st_mtime_ns == before


# --- the real file ------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def official(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    root = os.environ.get("FER_DATA_ROOT")
    if not root:
        pytest.skip("FER_DATA_ROOT is not set: the real FER2013 is not tested")
    try:
        return Fer2013(root, str(tmp_path_factory.mktemp("cache"))).load()
    except DataNotFoundError:
        pytest.skip("no FER2013 in FER_DATA_ROOT")


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


def test_official_fingerprint(official: Faces) -> None:
    if not official.origin.endswith(".gz"):
        pytest.skip("the checksum is known of fer2013.csv.gz alone")
    assert official.fingerprint == OFFICIAL_GZ
