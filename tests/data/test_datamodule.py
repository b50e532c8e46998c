"""The data module: splits, loaders and the size that the network reads."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from fer.data.augmentation import Augmentation
from fer.data.datamodule import FaceDataModule, default_workers
from fer.data.loading.dataset import FaceDataset
from fer.data.loading.device_loader import DeviceLoader
from fer.data.source import DataError, Faces, Source, Split
from fer.pixels import square_grey
from tests.support.errors import raises
from tests.support.pattern_faces import CLASSES, PatternFaces, make_split

COUNTS = {"train": 21, "val": 10, "test": 9}
BATCH = 4
PLAIN = Augmentation()
PAPER = Augmentation(rotation=10.0, zoom=0.1, flip=0.5)


RESIDENT = [False]


@pytest.fixture(autouse=True, params=[False, True], ids=["loaded", "resident"])
def _either_way(request: pytest.FixtureRequest) -> None:
    """Whatever holds here holds for faces on the device and for those that loaders bring."""
    RESIDENT[0] = request.param


def make(
    source: Source | None = None, augmentation: Augmentation = PLAIN, **options: Any
) -> FaceDataModule:
    settings = {"size": 48, "batch_size": BATCH, "workers": 0, "seed": 0} | options
    settings = {"resident": RESIDENT[0]} | settings
    return FaceDataModule(source or PatternFaces(COUNTS), augmentation, **settings)


def whole(loader: DeviceLoader) -> dict[str, torch.Tensor]:
    batches = list(loader)
    return {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}  # type: ignore[literal-required]


@pytest.mark.parametrize("name", ["val", "test"])
def test_evaluation_reads_each_face_once_as_it_is(name: str) -> None:
    data = make(augmentation=PAPER)
    split = data.faces.splits[name]
    seen = whole(getattr(data, f"{name}_dataloader")())
    np.testing.assert_array_equal(seen["image"][:, 0], split.images)
    np.testing.assert_array_equal(seen["label"], split.labels)
    np.testing.assert_array_equal(seen["row"], split.rows)


def test_training_is_shuffled_and_leaves_out_the_last_smaller_batch() -> None:
    loader = make().train_dataloader()
    sizes = [len(batch["row"]) for batch in loader]
    assert sizes == [BATCH] * (COUNTS["train"] // BATCH)
    assert len(loader) == len(sizes)
    order = whole(loader)["row"].tolist()
    assert len(set(order)) == len(order)
    assert order != sorted(order)


def test_faces_that_fill_no_last_batch() -> None:
    for count, sizes in ((3, [3]), (BATCH, [BATCH]), (2 * BATCH, [BATCH, BATCH])):
        loader = make(PatternFaces(COUNTS | {"train": count})).train_dataloader()
        batches = list(loader)
        assert [len(batch["row"]) for batch in batches] == sizes
        rows = torch.cat([batch["row"] for batch in batches]).tolist()
        assert sorted(rows) == list(range(count))


def test_only_training_is_augmented() -> None:
    data = make(augmentation=PAPER)
    seen = whole(data.train_dataloader())
    same = (seen["image"][:, 0].numpy() == data.faces.splits["train"].images[seen["row"]]).all(
        (1, 2)
    )
    assert not same.any()
    plain = make()
    seen = whole(plain.train_dataloader())
    np.testing.assert_array_equal(
        seen["image"][:, 0], plain.faces.splits["train"].images[seen["row"]]
    )


# --- distributed --------------------------------------------------------------------------------


def in_process(rank: int, world: int) -> FaceDataModule:
    data = make()
    device = SimpleNamespace(root_device=torch.device("cpu"))
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_rank=rank, world_size=world, strategy=device, current_epoch=0
    )
    return data


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_faces(world: int) -> None:
    members = [in_process(rank, world) for rank in range(world)]
    for name in ("val", "test"):
        loaders = [getattr(member, f"{name}_dataloader")() for member in members]
        rows = [row for loader in loaders for row in whole(loader)["row"].tolist()]
        assert sorted(rows) == members[0].faces.splits[name].rows.tolist()
    training = [member.train_dataloader() for member in members]
    assert len({len(loader) for loader in training}) == 1
    rows = [row for loader in training for row in whole(loader)["row"].tolist()]
    assert len(set(rows)) == len(rows)


# --- workers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cores", "workers"), [(1, 0), (2, 1), (64, 1), (None, 0)])
@pytest.mark.parametrize("told", [True, False])
def test_default_workers(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, workers: int, told: bool
) -> None:
    """macOS and Windows do not tell which cores a process may use."""
    if told:
        usable = set(range(cores or 1))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: usable, raising=False)
    else:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert default_workers() == workers


def test_workers_are_for_what_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import albumentations

    monkeypatch.setattr("fer.data.datamodule.default_workers", lambda: 1)
    flips = Augmentation(transforms=[albumentations.HorizontalFlip()])
    for augmentation, asked, used in (
        (PAPER, None, 0),
        (flips, None, 1),
        (PAPER, 2, 2),
        (flips, 0, 0),
    ):
        data = make(augmentation=augmentation, workers=asked, resident="auto")
        assert data.train_dataloader().workers == (used if augmentation is flips else 0)
        data = make(augmentation=augmentation, workers=asked, resident=False)
        assert data.train_dataloader().workers == used
        assert data.val_dataloader().workers == 0
    with raises("resident_transforms", "data.resident"):
        make(augmentation=flips, resident=True)


@pytest.mark.parametrize("choice", ["auto", True, False])
def test_where_faces_live(choice: Any) -> None:
    assert make(resident=choice).train_dataloader().resident == (choice is not False)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers start as Python says")
def test_workers_start_whatever_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a run that joblib started it is another than on the command line."""

    def pickled(_self: FaceDataset) -> str:
        raise AssertionError("a fork needs no pickle")

    monkeypatch.setattr(FaceDataset, "__reduce__", pickled)
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("spawn", force=True)
    try:
        loader = make(augmentation=PAPER, workers=1, resident=False).train_dataloader()
        assert len(whole(loader)["row"]) == COUNTS["train"] // BATCH * BATCH
    finally:
        multiprocessing.set_start_method(before, force=True)


# --- what is missing ----------------------------------------------------------------------------


def test_splits_that_are_needed() -> None:
    for name in ("train", "val"):
        for counts in ({**COUNTS, name: 0}, {k: n for k, n in COUNTS.items() if k != name}):
            with raises("no_faces", name, DataError):
                make(PatternFaces(counts)).setup("fit")
    data = make(PatternFaces({"train": 8, "val": 4}))
    data.setup("fit")
    assert len(list(data.train_dataloader())) == 2
    with raises("no_faces", "test", DataError):
        data.test_dataloader()


def test_the_source_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    source = PatternFaces(COUNTS)
    calls = []
    load = source.load
    monkeypatch.setattr(source, "load", lambda: calls.append(1) or load())
    data = make(source)
    assert calls == []
    data.setup("fit")
    data.setup("test")
    assert data.faces is data.faces
    assert calls == [1]


# --- size ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("there", "wanted"), [(64, 48), (32, 48), (48, 64)])
def test_other_sizes_are_scaled_as_inference_does(there: int, wanted: int) -> None:
    data = make(PatternFaces(COUNTS, size=there), size=wanted)
    raw = PatternFaces(COUNTS, size=there).load().splits["val"].images
    seen = whole(data.val_dataloader())["image"][:, 0].numpy()
    assert seen.shape == (COUNTS["val"], wanted, wanted)
    np.testing.assert_array_equal(seen, [square_grey(image, wanted) for image in raw])


# --- memory maps --------------------------------------------------------------------------------


@pytest.fixture
def warn_every_time() -> Iterator[None]:
    """Torch warns of read-only arrays once a process, which an earlier test may have used up."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


@pytest.mark.usefixtures("warn_every_time")
@pytest.mark.parametrize("augmentation", [PLAIN, PAPER], ids=["plain", "augmented"])
def test_read_only_maps_load_without_a_warning(tmp_path: Path, augmentation: Augmentation) -> None:
    class Mapped(PatternFaces):
        def load(self) -> Faces:
            splits = {}
            for name, count in self.counts.items():
                arrays = []
                for field in ("images", "labels", "rows"):
                    path = tmp_path / f"{name}-{field}.npy"
                    np.save(path, getattr(make_split(count), field))
                    arrays.append(np.load(path, mmap_mode="r"))
                splits[name] = Split(*arrays)
            return Faces(CLASSES, splits, "", "mapped faces")

    data = make(Mapped(COUNTS), augmentation)
    for loader in (data.train_dataloader(), data.val_dataloader()):
        assert whole(loader)["image"].float().mean() > 0
    kept = np.load(tmp_path / "train-images.npy")
    np.testing.assert_array_equal(kept, make_split(COUNTS["train"]).images)
