"""Faces on the device: which fit, which come when, and what happens to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fer.data.augmentation import Augmentation
from fer.data.datamodule import FaceDataModule
from fer.data.loading import device_loader
from fer.data.loading.device_loader import DeviceLoader, fits
from fer.data.loading.sampler import EpochSampler
from tests.support.pattern_faces import PatternFaces, make_split

CPU = torch.device("cpu")
SOME = Augmentation(rotation=10, shift=0.1, flip=0.5)


def make(count: int = 21, *, rank: int = 0, world: int = 1, **options: Any) -> DeviceLoader:
    sampler = EpochSampler(count, seed=0, shuffle=True, rank=rank, world_size=world)
    settings = {"batch_size": 4, "drop_last": False, "augmentation": SOME, "seed": 0} | options
    return DeviceLoader(make_split(count), sampler, device=CPU, **settings)


def by_row(*loaders: DeviceLoader) -> dict[int, bytes]:
    return {
        row: image.numpy().tobytes()
        for loader in loaders
        for batch in loader
        for row, image in zip(batch["row"].tolist(), batch["image"], strict=True)
    }


def test_length_is_what_comes() -> None:
    for drop_last, sizes in ((False, [4, 4, 4, 4, 4, 1]), (True, [4, 4, 4, 4, 4])):
        loader = make(drop_last=drop_last)
        assert [len(batch["label"]) for batch in loader] == sizes
        assert len(loader) == len(sizes)


def test_a_face_is_drawn_from_seed_and_epoch_alone() -> None:
    first = by_row(make())
    assert by_row(make()) == first
    assert by_row(make(batch_size=7)) == first
    shared = by_row(make(rank=0, world=2), make(rank=1, world=2))
    assert len(shared) == 20
    assert shared.items() <= first.items()
    assert by_row(make(seed=1)) != first
    later = make()
    later.sampler.set_epoch(1)
    assert by_row(later) != first


def test_each_face_of_a_batch_has_its_own_draw() -> None:
    split = make_split(8)
    split.images[:] = split.images[0]
    sampler = EpochSampler(8, seed=0, shuffle=False)
    loader = DeviceLoader(
        split, sampler, batch_size=8, drop_last=False, augmentation=SOME, seed=0, device=CPU
    )
    assert len({image.numpy().tobytes() for image in next(iter(loader))["image"]}) == 8


def test_auto_is_for_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = [make_split(4), make_split(4)]
    assert fits(splits, CPU)
    monkeypatch.setattr(device_loader, "_BYTES", 8 * 48 * 48 - 1)
    assert not fits(splits, CPU)


def test_a_gpu_gives_a_quarter_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4 * 4 * 48 * 48, 10**12))
    assert fits([make_split(4)], device)
    assert not fits([make_split(5)], device)


@pytest.mark.parametrize("choice", ["auto", True, False])
def test_the_choice(choice: Any) -> None:
    data = FaceDataModule(
        PatternFaces({"train": 8, "val": 4}),
        SOME, size=48, batch_size=4, workers=0, seed=0, resident=choice,
    )  # fmt: skip
    assert isinstance(data.train_dataloader(), DeviceLoader) == (choice is not False)


def test_what_lies_beside_the_images() -> None:
    metadata = np.arange(42, dtype=np.float32).reshape(21, 2)
    for batch in make(metadata=metadata):
        np.testing.assert_array_equal(batch["metadata"], metadata[batch["row"].numpy()])
        np.testing.assert_array_equal(batch["label"], make_split(21).labels[batch["row"].numpy()])
