"""A converted set is the data set that it was made of, but that it stays on the disk."""

from __future__ import annotations

import pickle
import re
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fer.data.augmentation import Augmentation
from fer.data.benchmark import has_earlier_copy
from fer.data.cleaning import Cleaned, Cleaning
from fer.data.conversion.plan import Making, Plan
from fer.data.conversion.writing import convert
from fer.data.datamodule import FaceDataModule, Loader
from fer.data.folder import ImageFolder
from fer.data.loading import EpochSampler, FaceDataset
from fer.data.protocols import UnderProtocol
from fer.data.scaling import scaled
from fer.data.source import DataError, DataNotFoundError, Faces, Source
from fer.data.stored import StoredImages, in_memory, stored
from fer.data.streaming import ConvertedFaces
from tests.support.converted import converted
from tests.support.picture_folders import write_class_folders, write_picture

COUNTS = {"train/a": 21, "train/b": 14, "val/a": 5, "val/b": 6, "test/a": 4, "test/b": 3}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with copies within and between splits, a conflict, a blank and metadata."""
    root = tmp_path_factory.mktemp("pictures")
    images = write_class_folders(root, COUNTS, (16, 16))
    first = images["train/a/000.png"]
    for name in ("train/a/900", "train/b/900", "val/b/900", "test/a/900"):
        write_picture(root / f"{name}.png", first)
    write_picture(root / "train/b/901.png", np.full((16, 16), 7, dtype=np.uint8))
    (root / "metadata.csv").write_text("path,age,who\ntrain/a/001.png,31,x\nval/a/000.png,,yy\n")
    return root


@pytest.fixture(scope="module")
def folder(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("converted") / "set"
    converted(pictures, root, size=16)
    return root


@pytest.fixture
def held(pictures: Path, tmp_path: Path) -> ImageFolder:
    return ImageFolder(str(pictures), size=16, cache=str(tmp_path / "cache"))


def assert_same(one: Faces, other: Faces) -> None:
    assert one.classes == other.classes
    assert list(one.splits) == list(other.splits)
    for name, split in one.splits.items():
        another = other.splits[name]
        assert np.array_equal(np.asarray(split.images), np.asarray(another.images))
        assert np.array_equal(split.labels, another.labels)
        assert np.array_equal(split.rows, another.rows)
        assert list(split.metadata) == list(another.metadata)
        for column, values in split.metadata.items():
            assert np.array_equal(
                values, another.metadata[column], equal_nan=values.dtype.kind == "f"
            )
    assert list(one.names) == list(other.names)


def test_it_is_the_data_set_that_it_was_made_of(folder: Path, held: ImageFolder) -> None:
    source = ConvertedFaces(str(folder), size=16, fit="pad")
    faces, expected = source.load(), held.load()
    assert_same(faces, expected)
    assert source.class_names() == held.class_names()
    assert source.metadata_columns() == held.metadata_columns()
    assert all(stored(split.images) for split in faces.splits.values())
    assert faces.names[3] == expected.names[3]
    assert faces.names[-1] == expected.names[-1]
    with pytest.raises(IndexError):
        faces.names[len(expected.names)]


@pytest.mark.parametrize("cleaning", [
    Cleaning(),
    Cleaning("all", "both", "drop"),
    Cleaning("keep", "across", "majority"),
    Cleaning("train", "within", "keep"),
])  # fmt: skip
def test_it_is_cleaned_alike(folder: Path, held: ImageFolder, cleaning: Cleaning) -> None:
    """By what was found when it was converted: no picture is read again."""
    faces = Cleaned(ConvertedFaces(str(folder)), cleaning).load()
    expected = Cleaned(held, cleaning).load()
    assert_same(faces, expected)
    assert faces.findings == expected.findings
    assert len(faces.findings) > 5
    assert all(stored(split.images) for split in faces.splits.values())


def test_copies_of_earlier_faces_are_told_alike(folder: Path, held: ImageFolder) -> None:
    found = has_earlier_copy(ConvertedFaces(str(folder)).load())
    assert found.sum() == 1
    assert np.array_equal(found, has_earlier_copy(held.load()))


def module(source: Source, **options: Any) -> FaceDataModule:
    paper = Augmentation(rotation=10.0, zoom=0.1, flip=0.5)
    settings: dict[str, Any] = {"size": 16, "batch_size": 4, "workers": 0, "resident": False}
    return FaceDataModule(source, paper, **{**settings, "seed": 3, **options})


def batches(loader: Loader, epoch: int) -> list[dict[str, torch.Tensor]]:
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(epoch)
    return [dict(batch) for batch in loader]  # type: ignore[call-overload]


@pytest.mark.parametrize("epoch", [0, 5])
@pytest.mark.parametrize("options", [{}, {"resident": True}], ids=["streamed", "resident"])
def test_batches_are_those_of_faces_in_memory(
    folder: Path, held: ImageFolder, epoch: int, options: dict[str, Any]
) -> None:
    """So order, augmentation and the exact resume of training are theirs too, epoch by epoch."""
    streams = module(ConvertedFaces(str(folder)), **options)
    arrays = module(held, **options)
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        found = batches(getattr(streams, name)(), epoch)
        expected = batches(getattr(arrays, name)(), epoch)
        assert len(found) == len(expected) > 0
        for one, other in zip(found, expected, strict=True):
            assert all(torch.equal(one[key], other[key]) for key in other)


def test_workers_and_ranks_share_the_faces(folder: Path) -> None:
    """Each face comes once: of two ranks with two loader processes each, whoever reads it."""
    split = ConvertedFaces(str(folder)).load().splits["train"]
    seen: dict[bool, list[int]] = {True: [], False: []}
    for rank in range(2):
        for shuffle in seen:
            sampler = EpochSampler(len(split), seed=0, shuffle=shuffle, rank=rank, world_size=2)
            # Files are open before the processes are forked.
            _ = split.images[0]
            loader = torch.utils.data.DataLoader(
                FaceDataset(split, None, 0),
                batch_size=3,
                sampler=sampler,
                num_workers=2 * shuffle,
                collate_fn=lambda batch: batch,
            )
            for batch in loader:
                for i, row in enumerate(batch["row"].tolist()):
                    place = int(np.flatnonzero(split.rows == row)[0])
                    assert np.array_equal(batch["image"][i, 0].numpy(), split.images[place])
                seen[shuffle] += batch["row"].tolist()
    assert len(set(seen[True])) == len(seen[True]) == len(split) // 2 * 2
    assert sorted(seen[False]) == split.rows.tolist()


def test_indexing_is_that_of_an_array(folder: Path) -> None:
    images = ConvertedFaces(str(folder)).load().splits["train"].images
    array = np.asarray(images)
    rng = np.random.default_rng(0)
    some = rng.permutation(len(array))[:9]
    for key in (0, -1, np.int64(3), slice(2, 30, 3), slice(None), some, some % 2 == 0, [3, 1],
                (slice(None), None), (slice(1, 4), slice(None), slice(None, None, -1)),
                (2, 5), (None, 2), some[:0]):  # fmt: skip
        if isinstance(key, np.ndarray) and key.dtype == bool:
            key = np.resize(key, len(array))  # noqa: PLW2901
        assert np.array_equal(images[key], array[key]), key
    assert np.array_equal(np.stack(list(images)), array)
    assert (images.shape, images.dtype, images.nbytes) == (array.shape, np.uint8, array.nbytes)
    with pytest.raises(IndexError):
        images[len(array)]
    assert np.array_equal(pickle.loads(pickle.dumps(images))[some], array[some])


def test_memory_does_not_follow_the_faces(tmp_path: Path) -> None:
    """A set of ten times the size takes a few bytes a face more, not its pixels."""
    peaks = {}
    for count in (600, 6000):
        root = tmp_path / str(count)
        rows = np.arange(count)
        plan = Plan(root, ("a", "b"), (rows % 10 == 0).astype(np.uint8), rows % 2, rows,
                    lambda i: np.full((48, 48), i % 256, dtype=np.uint8), "x")  # fmt: skip
        convert(plan, root, Making(shard=256))
        tracemalloc.start()
        loader = module(ConvertedFaces(str(root)), size=48, batch_size=64).val_dataloader()
        train = ConvertedFaces(str(root)).load().splits["train"]
        sampler = EpochSampler(len(train), seed=0, shuffle=True)
        dataset = FaceDataset(train, None, 0)
        draws = iter(sampler)
        while some := [draw for draw, _ in zip(draws, range(64), strict=False)]:
            assert dataset.__getitems__(some)["image"].shape == (len(some), 1, 48, 48)
        assert sum(len(batch["label"]) for batch in loader) == count // 10
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    pixels = (6000 - 600) * 48 * 48
    assert peaks[6000] - peaks[600] < pixels / 15, peaks


def test_what_a_stream_can_not_do_is_refused(folder: Path, tmp_path: Path) -> None:
    source = ConvertedFaces(str(folder))
    for protocol in ("resplit", "augment_first", "train_on_test"):
        with pytest.raises(DataError, match=f"data.protocol={protocol} copies all faces"):
            UnderProtocol(source, protocol).load()
    assert UnderProtocol(source, "train_as_test").load().splits["test"].images.shape[0] > 30
    with pytest.raises(DataError, match="converted to 16 pixels and 48 are needed"):
        scaled(source.load(), 48)
    with pytest.raises(DataError, match=r"--size 16, but data\.size is 48: set data\.size=16"):
        ConvertedFaces(str(folder), size=48).load()
    # Square pictures are the same whatever the fit.
    ConvertedFaces(str(folder), fit="stretch").load()
    for root, why in (
        (None, "data=streaming needs data.root=FOLDER"),
        (tmp_path / "no", "does not exist; fer data convert SOURCE --to FOLDER makes one"),
        (tmp_path, "is no converted set"),
    ):
        with pytest.raises(DataNotFoundError, match=why):
            ConvertedFaces(root and str(root)).load()
    with pytest.raises(ValueError, match="fatal or drop"):
        ConvertedFaces(str(folder), defects="keep")  # type: ignore[arg-type]


def test_a_damaged_set_is_refused(pictures: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    converted(pictures, root, size=16)
    shard, rest = root / "faces-00001.npy", root / "set.json"
    whole, said = shard.read_bytes(), rest.read_text()
    images = ConvertedFaces(str(root)).load().splits["train"].images
    # To the byte, and with the right length but another's.
    for other, why in (
        (whole[:-1], "is cut off, or too long"),
        (whole[:-200], "is cut off, or too long"),
        (whole[:5], "is no shard of 8 faces"),
        (b"", "is no shard of 8 faces"),
        (b"x" * len(whole), "is no shard of 8 faces"),
    ):
        shard.write_bytes(other)
        with pytest.raises(DataError, match=rf"faces-00001\.npy {why}"):
            ConvertedFaces(str(root)).load()
        with pytest.raises(DataError, match=rf"faces-00001\.npy {why}"):
            np.asarray(images)
    shard.unlink()
    with pytest.raises(DataError, match=r"faces-00001\.npy is missing"):
        ConvertedFaces(str(root)).load()
    shard.write_bytes(whole)
    for text, why in (("{", "damaged"), (said.replace('"format": 1', '"format": 9'), "format 9")):
        rest.write_text(text)
        with pytest.raises(DataError, match=why):
            ConvertedFaces(str(root)).load()
    rest.write_text(said)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.rows.npy", None),
        ("train.rows.npy", b""),
        ("train.labels.npy", "val.labels.npy"),
        ("train.labels.npy", "train.metadata-0.npy"),
        ("val.metadata-1.npy", "train.metadata-1.npy"),
        ("blank.npy", "group.npy"),
        ("test.positions.npy", "beyond"),
        ("names.txt", b""),
        ("names.txt", b"a"),
        ("names.txt", None),
        ("names.npy", b""),
        ("set.json", b'{"format": 1}'),
        ("set.json", b'{"format": 1, "shards": ["8"]}'),
        ("set.json", b"[]"),
        ("set.json", b"\xff"),
    ],
)
def test_a_damaged_file_is_named(
    folder: Path, tmp_path: Path, name: str, content: bytes | str | None
) -> None:
    root = tmp_path / "set"
    shutil.copytree(folder, root)
    if content is None:
        (root / name).unlink()
    elif isinstance(content, bytes):
        (root / name).write_bytes(content)
    elif content == "beyond":
        np.save(root / name, np.load(root / name) + 700)
    else:
        shutil.copy(root / content, root / name)
    why = f"{re.escape(name)} is missing or damaged .*: convert the faces again"
    with pytest.raises(DataError, match=why):
        ConvertedFaces(str(root)).load()


def test_a_loader_process_tells_what_is_wrong(pictures: Path, tmp_path: Path) -> None:
    """In a message, without the traceback that torch makes of it."""
    root = tmp_path / "set"
    converted(pictures, root, size=16)
    loader = module(ConvertedFaces(str(root)), workers=1).train_dataloader()
    for shard in root.glob("faces-*.npy"):
        shard.write_bytes(shard.read_bytes()[:140])
    with pytest.raises(DataError, match=r"^[^\n]*faces-0000\d\.npy is cut off[^\n]*$"):
        batches(loader, 0)


def test_parts_can_be_brought_into_memory(folder: Path) -> None:
    faces = ConvertedFaces(str(folder)).load()
    some = in_memory(faces, "test", "none")
    assert isinstance(some.splits["test"].images, np.ndarray)
    assert isinstance(some.splits["train"].images, StoredImages)
    assert in_memory(some, "test") is some
