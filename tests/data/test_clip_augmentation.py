"""One draw of augmentation a clip: all of its frames change alike, and clips apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fer.data.augmentation import Augmentation
from fer.data.loading.dataset import FaceDataset, beside
from fer.data.loading.device_loader import DeviceLoader
from fer.data.loading.sampler import EpochSampler
from fer.data.source import Split

STRONG = Augmentation(
    rotation=15, zoom=0.2, shift=0.1, flip=0.5, brightness=0.2, contrast=0.3, erase=0.5
)


@pytest.fixture(scope="module")
def still() -> Split:
    """Clips of one face that does not move, the same in each."""
    face = np.random.default_rng(0).integers(0, 256, (24, 24), dtype=np.uint8)
    images = np.broadcast_to(face, (6, 5, 24, 24)).copy()
    numbers = np.arange(6)
    return Split(images, numbers % 2, numbers, lengths=np.array([5, 4, 3, 2, 1, 5]))


def resident(split: Split, augmentation: Augmentation | None) -> dict[str, torch.Tensor]:
    sampler = EpochSampler(len(split), seed=0, shuffle=False)
    loader = DeviceLoader(
        split,
        sampler,
        batch_size=len(split),
        drop_last=False,
        augmentation=augmentation,
        seed=0,
        device=torch.device("cpu"),
    )
    return dict(next(iter(loader)))  # type: ignore[arg-type]


def by_workers(split: Split, augmentation: Augmentation | None) -> dict[str, torch.Tensor]:
    return dict(FaceDataset(split, augmentation, 0).__getitems__(list(range(len(split)))))  # type: ignore[arg-type]


@pytest.mark.parametrize("load", [resident, by_workers])
def test_all_frames_of_a_clip_change_alike(still: Split, load: object) -> None:
    changed = load(still, STRONG)["image"]  # type: ignore[operator]
    assert changed.shape == (6, 1, 5, 24, 24)
    assert changed.dtype == torch.uint8
    assert torch.equal(changed, changed[:, :, :1].expand_as(changed))
    firsts = changed[:, 0, 0].flatten(1)
    assert len({tuple(one.tolist()) for one in firsts}) == 6, "another draw for each clip"


def test_a_frame_changes_as_the_same_face_alone_would(still: Split) -> None:
    alone = Split(still.images[:, 0], still.labels, still.rows)
    for load in (resident, by_workers):
        assert torch.equal(load(still, STRONG)["image"][:, :, 0], load(alone, STRONG)["image"])


def test_lengths_travel_with_the_clips(still: Split) -> None:
    for load in (resident, by_workers):
        batch = load(still, None)
        assert torch.equal(batch["image"][:, 0], torch.from_numpy(still.images))
        assert batch["length"].tolist() == [5, 4, 3, 2, 1, 5]
        assert beside(batch) is batch["length"]  # type: ignore[arg-type]


def test_parts_of_a_split_keep_their_lengths(still: Split) -> None:
    some = still.take(np.array([1, 4]))
    assert some.lengths is not None
    assert some.lengths.tolist() == [4, 1]
    with pytest.raises(ValueError, match="lengths"):
        Split(still.images, still.labels, still.rows, lengths=np.array([1]))
