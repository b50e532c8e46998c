"""Which face comes when, and with which draw: from the seed alone, with any number of workers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fer.data.augmentation import Augmentation
from fer.data.loading.dataset import Batch, FaceDataset, as_is
from fer.data.loading.sampler import _USES, EpochSampler, stream
from fer.data.source import Split
from tests.support.pattern_faces import make_split

PAPER = Augmentation(rotation=10.0, zoom=0.1, flip=0.5)
COUNT, BATCH = 22, 4


def loader(
    workers: int, *, split: Split | None = None, seed: int = 0, augmentation: Augmentation = PAPER
) -> DataLoader[Batch]:
    split = split or make_split(COUNT)
    return DataLoader(
        FaceDataset(split, augmentation, seed),
        batch_size=BATCH,
        sampler=EpochSampler(len(split), seed=seed, shuffle=True),
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=as_is,
    )


def epoch_of(batches: DataLoader[Batch], epoch: int) -> list[Batch]:
    sampler = batches.sampler
    assert isinstance(sampler, EpochSampler)
    sampler.set_epoch(epoch)
    return list(batches)


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    for one, other in zip(first, second, strict=True):
        for key in ("image", "label", "row"):
            assert torch.equal(one[key], other[key])


def rows(batches: list[Batch]) -> list[int]:
    return torch.cat([batch["row"] for batch in batches]).tolist()


def faces(batches: list[Batch]) -> list[bytes]:
    return [image.numpy().tobytes() for batch in batches for image in batch["image"]]


@pytest.fixture(scope="module")
def two_epochs() -> list[list[Batch]]:
    """What the process itself loads, which workers are held against."""
    batches = loader(workers=0)
    return [epoch_of(batches, epoch) for epoch in range(2)]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int, two_epochs: list[list[Batch]]) -> None:
    batches = loader(workers)
    # The workers outlive the first epoch.
    for epoch, expected in enumerate(two_epochs):
        assert_same(epoch_of(batches, epoch), expected)


def test_two_workers_draw_different_parameters() -> None:
    """Of the same face, over and over: each draw is another, in each worker and each epoch."""
    one = make_split(1)
    split = Split(
        images=one.images.repeat(COUNT, axis=0),
        labels=one.labels.repeat(COUNT),
        rows=np.arange(COUNT),
    )
    batches = loader(workers=2, split=split, augmentation=Augmentation(rotation=45.0, zoom=0.3))
    drawn = [face for epoch in range(2) for face in faces(epoch_of(batches, epoch))]
    assert len(set(drawn)) == len(drawn) == 2 * COUNT


def test_epochs_differ_in_order_and_in_draws(two_epochs: list[list[Batch]]) -> None:
    first, second = two_epochs
    assert rows(first) != rows(second)
    by_row = [dict(zip(rows(epoch), faces(epoch), strict=True)) for epoch in two_epochs]
    assert all(by_row[0][row] != by_row[1][row] for row in range(COUNT))


def test_every_face_once_an_epoch(two_epochs: list[list[Batch]]) -> None:
    split = make_split(COUNT)
    for epoch in two_epochs:
        assert sorted(rows(epoch)) == list(range(COUNT))
        labels = torch.cat([batch["label"] for batch in epoch])
        assert torch.equal(labels, torch.from_numpy(split.labels)[rows(epoch)])


def test_the_seed_decides(two_epochs: list[list[Batch]]) -> None:
    again, other = epoch_of(loader(workers=0), 0), epoch_of(loader(workers=0, seed=1), 0)
    assert_same(again, two_epochs[0])
    assert rows(other) != rows(again)
    draws = [dict(zip(rows(epoch), faces(epoch), strict=True)) for epoch in (again, other)]
    assert all(draws[0][row] != draws[1][row] for row in range(COUNT))


def test_global_generators_do_not_decide(two_epochs: list[list[Batch]]) -> None:
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - the global state is what is tested
    assert_same(epoch_of(loader(workers=0), 0), two_epochs[0])


def test_without_augmentation_faces_are_as_they_are() -> None:
    split = make_split(COUNT)
    dataset = FaceDataset(split, None, seed=0)
    batch = dataset.__getitems__([3, COUNT + 3, 5 * COUNT])
    np.testing.assert_array_equal(batch["image"][:, 0].numpy(), split.images[[3, 3, 0]])
    assert batch["row"].tolist() == [3, 3, 0]
    assert len(dataset) == COUNT


def test_a_single_draw_is_a_batch_of_one() -> None:
    batch = FaceDataset(make_split(COUNT), PAPER, seed=0)[COUNT + 3]
    assert batch["image"].shape == (1, 1, 48, 48)
    many = FaceDataset(make_split(COUNT), PAPER, seed=0).__getitems__([2, COUNT + 3])
    assert torch.equal(batch["image"][0], many["image"][1])


def test_batches_are_copies() -> None:
    split = make_split(COUNT)
    before = split.images.copy(), split.labels.copy(), split.rows.copy()
    batch = FaceDataset(split, PAPER, seed=0).__getitems__([0, 1])
    for key in ("image", "label", "row"):
        batch[key].zero_()
    for array, kept in zip((split.images, split.labels, split.rows), before, strict=True):
        np.testing.assert_array_equal(array, kept)


# --- the order of faces -------------------------------------------------------------------------


def draws(
    size: int, world: int, *, shuffle: bool, epoch: int = 0, seed: int = 0
) -> list[list[int]]:
    samplers = [
        EpochSampler(size, seed=seed, shuffle=shuffle, rank=rank, world_size=world)
        for rank in range(world)
    ]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    drawn = [list(sampler) for sampler in samplers]
    assert [len(sampler) for sampler in samplers] == [len(order) for order in drawn]
    return drawn


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 9, 10, 11, 12])
@pytest.mark.parametrize("epoch", [0, 4])
def test_an_evaluation_counts_each_face_once(size: int, world: int, epoch: int) -> None:
    drawn = draws(size, world, shuffle=False, epoch=epoch)
    faces = sorted(draw % size for order in drawn for draw in order)
    assert faces == list(range(size))
    assert all(draw // size == epoch for order in drawn for draw in order)
    assert all(order == sorted(order) for order in drawn)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("size", [9, 10, 11, 12])
def test_a_training_takes_as_many_steps_in_each_process(size: int, world: int) -> None:
    drawn = draws(size, world, shuffle=True, epoch=4)
    assert {len(order) for order in drawn} == {size // world}
    every = [draw for order in drawn for draw in order]
    assert len(set(every)) == len(every)
    assert all(draw // size == 4 for draw in every)


def test_another_order_leaves_out_others() -> None:
    size, world = 11, 3
    missing = set()
    for epoch in range(12):
        seen = {
            draw % size for order in draws(size, world, shuffle=True, epoch=epoch) for draw in order
        }
        missing.add(frozenset(range(size)) - seen)
    assert len(missing) > 3
    assert len(frozenset().union(*missing)) > 5


def test_order_depends_on_seed_and_epoch() -> None:
    size = 30
    orders = [
        [draw % size for draw in draws(size, 1, shuffle=True, epoch=epoch, seed=seed)[0]]
        for epoch, seed in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    assert len({tuple(order) for order in orders}) == 4
    assert draws(size, 1, shuffle=True)[0] == orders[0]
    assert all(sorted(order) == list(range(size)) for order in orders)


def test_processes_share_one_order() -> None:
    (whole,) = draws(12, 1, shuffle=True, epoch=2)
    first, second = draws(12, 2, shuffle=True, epoch=2)
    assert [draw for pair in zip(first, second, strict=True) for draw in pair] == whole


def test_what_is_drawn_for_one_use_says_nothing_of_another() -> None:
    """NumPy takes a missing number for a zero: order (0, 0), face (0, 0, 0), batch (0, 0, 0, 0)."""
    places = [(0,), (0, 0), (0, 0, 0), (1,), (1, 0)]
    plain = {tuple(np.random.SeedSequence((0, *p)).generate_state(4)) for p in places}
    assert len(plain) == 2
    drawn = {tuple(stream(use, 0, *p).generate_state(4)) for use in _USES for p in places}
    assert len(drawn) == 2 * len(_USES)
    assert drawn.isdisjoint(plain)


def test_draws_of_different_epochs_never_meet() -> None:
    seen = [set(draws(10, 1, shuffle=True, epoch=epoch)[0]) for epoch in range(3)]
    assert all(one.isdisjoint(other) for one, other in pairwise(seen))
