"""Which face comes when, and with which draw: from the seed alone, wherever the faces live."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fer.data.augmentation import Augmentation
from fer.data.loading import device_loader
from fer.data.loading.dataset import Batch, FaceDataset
from fer.data.loading.device_loader import DeviceLoader, fits
from fer.data.loading.sampler import _USES, EpochSampler, stream
from fer.data.source import Split
from tests.support.pattern_faces import make_split

CPU = torch.device("cpu")
COUNT, BATCH = 22, 4
STRONG = Augmentation(
    rotation=15, zoom=0.2, shift=0.1, flip=0.5, brightness=0.2, contrast=0.3, erase=0.5
)


@pytest.fixture(scope="module")
def noise() -> Augmentation:
    """Transforms of single faces, and the change of batches behind them."""
    import albumentations

    return Augmentation(flip=0.5, transforms=[albumentations.GaussNoise((0.1, 0.2), p=1.0)])


def loader(
    augmentation: Augmentation | None = STRONG,
    *,
    split: Split | None = None,
    rank: int = 0,
    world: int = 1,
    shuffle: bool = True,
    **options: Any,
) -> DeviceLoader:
    split = make_split(COUNT) if split is None else split
    seed = options.get("seed", 0)
    sampler = EpochSampler(len(split), seed=seed, shuffle=shuffle, rank=rank, world_size=world)
    settings = {"batch_size": BATCH, "drop_last": False, "seed": 0} | options
    return DeviceLoader(split, sampler, augmentation=augmentation, device=CPU, **settings)


def epoch_of(batches: DeviceLoader, epoch: int) -> list[Batch]:
    batches.sampler.set_epoch(epoch)
    return list(batches)


def by_row(batches: list[Batch]) -> dict[int, bytes]:
    return {
        row: image.numpy().tobytes()
        for batch in batches
        for row, image in zip(batch["row"].tolist(), batch["image"], strict=True)
    }


def rows(batches: list[Batch]) -> list[int]:
    return torch.cat([batch["row"] for batch in batches]).tolist()


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert torch.equal(one[key], other[key])  # type: ignore[literal-required]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_where_faces_live_changes_nothing(workers: int) -> None:
    resident, brought = loader(), loader(resident=False, workers=workers)
    # The workers outlive the first epoch.
    for epoch in range(2):
        assert_same(epoch_of(brought, epoch), epoch_of(resident, epoch))


def test_workers_change_no_transform(noise: Augmentation) -> None:
    alone, two = (loader(noise, resident=False, workers=workers) for workers in (0, 2))
    first, second = (epoch_of(alone, epoch) for epoch in range(2))
    for epoch, expected in enumerate((first, second)):
        assert_same(epoch_of(two, epoch), expected)
    draws = [by_row(first), by_row(second)]
    assert all(draws[0][row] != draws[1][row] for row in range(COUNT)), "another in each epoch"
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - the global state is what is tested
    assert_same(epoch_of(alone, 0), first)
    with pytest.raises(ValueError, match="resident"):
        loader(noise, resident=True)


def test_a_face_is_drawn_from_seed_and_epoch_alone() -> None:
    first = by_row(epoch_of(loader(), 0))
    assert by_row(epoch_of(loader(batch_size=7), 0)) == first
    shared = [by_row(epoch_of(loader(rank=rank, world=2), 0)) for rank in (0, 1)]
    assert len(shared[0] | shared[1]) == COUNT
    assert (shared[0] | shared[1]).items() <= first.items()
    for other in (by_row(epoch_of(loader(seed=1), 0)), by_row(epoch_of(loader(), 1))):
        assert all(other[row] != first[row] for row in range(COUNT))


def test_each_face_of_a_batch_has_its_own_draw() -> None:
    split = make_split(COUNT)
    split.images[:] = split.images[0]
    assert len(set(by_row(epoch_of(loader(split=split), 0)).values())) == COUNT


@pytest.mark.parametrize("resident", [True, False])
def test_length_is_what_comes(resident: bool) -> None:
    for drop_last, sizes in ((False, [4, 4, 4, 4, 4, 2]), (True, [4, 4, 4, 4, 4])):
        batches = loader(drop_last=drop_last, resident=resident)
        assert [len(batch["label"]) for batch in batches] == sizes
        assert len(batches) == len(sizes)


def test_auto_is_for_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = [make_split(4), make_split(4)]
    assert fits(splits, CPU)
    monkeypatch.setattr(device_loader, "_BYTES", 8 * 48 * 48 - 1)
    assert not fits(splits, CPU)
    # A GPU gives a quarter of what is free.
    device = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (4 * 4 * 48 * 48, 10**12))
    assert fits([make_split(4)], device)
    assert not fits([make_split(5)], device)


# --- what a batch holds -------------------------------------------------------------------------


def test_a_data_set_answers_draws() -> None:
    split = make_split(COUNT)
    dataset = FaceDataset(split, None, seed=0)
    batch = dataset.__getitems__([3, COUNT + 3, 5 * COUNT])
    np.testing.assert_array_equal(batch["image"][:, 0].numpy(), split.images[[3, 3, 0]])
    assert batch["row"].tolist() == [3, 3, 0]
    assert len(dataset) == COUNT
    assert dataset[COUNT + 3]["image"].shape == (1, 1, 48, 48)
    # Copies: whoever writes to a batch leaves the split alone.
    for values in batch.values():
        values.zero_()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(split.images, make_split(COUNT).images)
    np.testing.assert_array_equal(split.labels, make_split(COUNT).labels)


@pytest.mark.parametrize("resident", [True, False])
def test_what_belongs_to_a_face_comes_with_it(resident: bool) -> None:
    split = make_split(COUNT)
    targets = np.random.default_rng(0).random((COUNT, 3), dtype=np.float32)
    metadata = np.arange(2 * COUNT, dtype=np.float32).reshape(COUNT, 2)
    batches = loader(
        None, split=replace(split, targets=targets), metadata=metadata, resident=resident
    )
    for batch in batches:
        chosen = batch["row"].numpy()
        np.testing.assert_array_equal(batch["image"][:, 0], split.images[chosen])
        np.testing.assert_array_equal(batch["label"], split.labels[chosen])
        np.testing.assert_array_equal(batch["target"], targets[chosen])
        np.testing.assert_array_equal(batch["metadata"], metadata[chosen])
    assert "target" not in next(iter(loader()))


def test_a_part_of_a_split_keeps_all_that_belongs_to_it() -> None:
    n = 5
    rng = np.random.default_rng(0)
    split = Split(
        rng.integers(0, 256, (n, 4, 4), dtype=np.uint8), np.arange(n) % 3, np.arange(n) + 10,
        metadata={"age": np.arange(5.0)}, targets=rng.random((n, 3), dtype=np.float32),
        lengths=np.arange(n),
    )  # fmt: skip
    assert split.targets is not None
    for chosen in (np.array([0, 2]), np.array([True, False, True, False, False])):
        taken = split.take(chosen)
        assert (taken.rows.tolist(), taken.metadata["age"].tolist()) == ([10, 12], [0, 2])
        assert taken.targets is not None
        assert taken.lengths is not None
        assert taken.lengths.tolist() == [0, 2]
        for name in ("images", "labels", "targets"):
            np.testing.assert_array_equal(getattr(taken, name), getattr(split, name)[[0, 2]])
    for name in ("labels", "rows", "targets", "lengths"):
        with pytest.raises(ValueError, match=name):
            replace(split, **{name: np.zeros(4)})


# --- clips --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def still() -> Split:
    """Clips of one face that does not move, the same in each."""
    face = np.random.default_rng(0).integers(0, 256, (24, 24), dtype=np.uint8)
    images = np.broadcast_to(face, (6, 5, 24, 24)).copy()
    numbers = np.arange(6)
    return Split(images, numbers % 2, numbers, lengths=np.array([5, 4, 3, 2, 1, 5]))


@pytest.mark.parametrize("kind", ["batches", "transforms"])
def test_all_frames_of_a_clip_change_alike(still: Split, kind: str, noise: Augmentation) -> None:
    augmentation = STRONG if kind == "batches" else noise
    load = partial(loader, augmentation, batch_size=6, shuffle=False, resident=kind == "batches")
    (batch,) = load(split=still)
    changed = batch["image"]
    assert (changed.shape, changed.dtype) == ((6, 1, 5, 24, 24), torch.uint8)
    assert torch.equal(changed, changed[:, :, :1].expand_as(changed))
    assert len({image.numpy().tobytes() for image in changed}) == 6, "another draw for each clip"
    assert batch["length"].tolist() == [5, 4, 3, 2, 1, 5]
    # As the same face alone would.
    (alone,) = load(split=Split(still.images[:, 0], still.labels, still.rows))
    assert torch.equal(changed[:, :, 0], alone["image"])


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


@given(st.integers(1, 60), st.integers(1, 8), st.integers(0, 5), st.integers(0, 2**32))
def test_processes_part_the_faces_of_an_epoch(size: int, world: int, epoch: int, seed: int) -> None:
    """An evaluation counts each face once; a training takes as many steps in each process."""
    place = {"epoch": epoch, "seed": seed}
    for shuffle in (False, True):
        parts = draws(size, world, shuffle=shuffle, **place)
        every = [draw for part in parts for draw in part]
        assert all(draw // size == epoch for draw in every), "draws of epochs never meet"
        faces = {draw % size for draw in every}
        assert len(faces) == len(every)
        if shuffle:
            assert {len(part) for part in parts} == {size // world}
            (order,) = draws(size, 1, shuffle=True, **place)
            dealt = [draw for step in zip(*parts, strict=True) for draw in step]
            assert dealt == order[: len(dealt)], "one order, dealt out"
            assert draws(size, world, shuffle=True, **place) == parts
        else:
            assert faces == set(range(size))
            assert all(part == sorted(part) for part in parts)


def test_order_depends_on_seed_and_epoch() -> None:
    orders = {
        tuple(draw % 30 for draw in draws(30, 1, shuffle=True, epoch=epoch, seed=seed)[0])
        for epoch in (0, 1)
        for seed in (0, 1)
    }
    assert len(orders) == 4
    # Another order leaves out others.
    missing = set()
    for epoch in range(12):
        seen = {d % 11 for part in draws(11, 3, shuffle=True, epoch=epoch) for d in part}
        missing.add(frozenset(range(11)) - seen)
    assert len(missing) > 3


def test_what_is_drawn_for_one_use_says_nothing_of_another() -> None:
    """NumPy takes a missing number for a zero: order (0, 0), face (0, 0, 0), batch (0, 0, 0, 0)."""
    places = [(0,), (0, 0), (0, 0, 0), (1,), (1, 0)]
    plain = {tuple(np.random.SeedSequence((0, *p)).generate_state(4)) for p in places}
    assert len(plain) == 2
    drawn = {tuple(stream(use, 0, *p).generate_state(4)) for use in _USES for p in places}
    assert len(drawn) == 2 * len(_USES)
    assert drawn.isdisjoint(plain)
