"""Mixup and cutmix: targets say what the pixels hold, and a seed says all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fer.learning.batch_mixing import BatchMixing

FACES = 8
#: Each face has one value throughout and a class of its own, so that pixels tell their faces.
VALUES = torch.arange(FACES, dtype=torch.uint8) * 10
LABELS = torch.arange(FACES)


def flat_faces(height: int = 12, width: int = 9) -> Tensor:
    return VALUES[:, None, None, None].expand(FACES, 1, height, width).clone()


def mix(mixing: BatchMixing, *seed: int, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
    faces = flat_faces() if images is None else images
    return mixing(faces, LABELS, FACES, seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_cut_target_counts_the_pixels(seed: int) -> None:
    images, target = mix(BatchMixing(cutmix=1.0), seed)
    for face in range(FACES):
        for value in range(FACES):
            counted = (images[face] == VALUES[value]).float().mean().item()
            assert target[face, value].item() == pytest.approx(counted, abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_a_cut_is_one_rectangle_at_one_place(seed: int) -> None:
    images, _ = mix(BatchMixing(cutmix=1.0), seed)
    changed = (images != flat_faces()).any(dim=0)[0]
    rows, columns = changed.any(dim=1).nonzero(), changed.any(dim=0).nonzero()
    if len(rows) == 0:
        return
    inside = changed[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert inside.all()
    own = (images == flat_faces())[:, 0]
    for face in range(FACES):
        # One that was paired with itself stays whole.
        assert own[face].all() or torch.equal(own[face], ~changed)


@pytest.mark.parametrize("seed", range(12))
def test_a_blended_target_is_the_blend_of_the_pixels(seed: int) -> None:
    images, target = mix(BatchMixing(mixup=1.0), seed)
    expected = target @ VALUES.float()
    assert torch.allclose(images[:, 0, 0, 0], expected, atol=1e-3)
    assert torch.equal(images, images[..., :1, :1].expand_as(images))


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 1, "cutmix": 1}])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "shares"])
def test_targets_are_distributions(options: dict[str, float], soft: bool) -> None:
    shares = torch.rand(FACES, 5, generator=torch.Generator().manual_seed(0)).softmax(dim=1)
    given = shares if soft else LABELS % 5
    for seed in range(20):
        _, target = BatchMixing(**options)(flat_faces(), given, 5, (seed,))
        assert target.shape == (FACES, 5)
        assert target.dtype == torch.float32
        assert (target >= 0).all()
        assert torch.allclose(target.sum(dim=1), torch.ones(FACES), atol=1e-6)


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 1, "cutmix": 1}])
def test_the_seed_says_all(options: dict[str, float]) -> None:
    mixing = BatchMixing(**options)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 -- the global generator is what must not matter
    first = mix(mixing, 3, 1, 4)
    state = torch.get_rng_state()
    mix(mixing, 2)
    assert torch.equal(torch.get_rng_state(), state)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    again = mix(BatchMixing(**options), 3, 1, 4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for other in ((4, 1, 4), (3, 2, 4), (3, 1, 5)):
        assert not torch.equal(mix(mixing, *other)[1], first[1])


def test_the_batch_that_went_in_is_left_alone() -> None:
    for options in ({"mixup": 1.0}, {"cutmix": 1.0}):
        images = flat_faces()
        mix(BatchMixing(**options), 0, images=images)
        assert torch.equal(images, flat_faces())


@pytest.mark.parametrize(
    "options", [{}, {"mixup": 1.0, "probability": 0.0}, {"cutmix": 1.0, "probability": 0.0}]
)
def test_nothing_to_mix_leaves_a_batch_as_it_is(options: dict[str, float]) -> None:
    mixing = BatchMixing(**options)
    assert mixing.is_identity
    images = flat_faces()
    mixed, target = mix(mixing, 0, images=images)
    assert mixed is images
    assert torch.equal(target, torch.eye(FACES))


def test_the_probability_is_that_of_a_mixed_batch() -> None:
    mixing = BatchMixing(mixup=1.0, probability=0.3)
    mixed = [mix(mixing, seed)[0].is_floating_point() for seed in range(1000)]
    # Four standard deviations either way.
    assert 0.24 < np.mean(mixed) < 0.36


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_kept_share_is_drawn_from_the_beta_distribution(alpha: float) -> None:
    kept = []
    for seed in range(1000):
        _, target = mix(BatchMixing(mixup=alpha), seed)
        own, other = target.diagonal(), target.max(dim=1).values
        # A face that was paired with itself tells nothing.
        paired = (target > 0).sum(dim=1) == 2
        if paired.any():
            assert (other >= own).all()
            kept.append(own[paired][0].item())
    assert np.mean(kept) == pytest.approx(0.5, abs=0.06)
    assert np.var(kept) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.2)


@pytest.mark.parametrize("options", [{"mixup": 1.0}, {"cutmix": 1.0}])
def test_a_batch_of_one_face_is_itself(options: dict[str, float]) -> None:
    image = flat_faces()[:1]
    mixed, target = BatchMixing(**options)(image, torch.tensor([2]), 4, (0,))
    assert torch.allclose(mixed.float(), image.float())
    assert target.tolist() == [pytest.approx([0, 0, 1, 0])]


@pytest.mark.parametrize("options", [{"mixup": -0.1}, {"cutmix": -1.0}])
def test_a_negative_alpha_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="mixup and cutmix must be at least 0"):
        BatchMixing(**options)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="probability must be from 0 to 1"):
        BatchMixing(mixup=1.0, probability=probability)
