"""From grey values to what a network reads: (x / 255 - mean) / std, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fer.models import Preprocessing

MEANS_AND_STDS = [(0.0, 1.0), (0.5, 0.5), (0.5077, 0.2551), (-0.1, 3.0)]


def expected(values: np.ndarray, mean: float, std: float) -> np.ndarray:
    return (values.astype(np.float64) / 255 - mean) / std


@pytest.mark.parametrize(("mean", "std"), MEANS_AND_STDS)
def test_every_grey_value(mean: float, std: float) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    outputs = Preprocessing(mean=mean, std=std)(torch.from_numpy(values))
    assert outputs.dtype == torch.float32
    np.testing.assert_allclose(outputs.numpy(), expected(values, mean, std), rtol=0, atol=1e-6)


def test_it_travels_with_the_weights() -> None:
    there, here = Preprocessing(mean=0.5, std=0.25), Preprocessing()
    here.load_state_dict(there.state_dict())
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(here(images), there(images))
    assert list(there.parameters()) == []


def numbered(count: int = 1, size: int = 8) -> Tensor:
    """Return faces in which each pixel says where it is, and of which face."""
    places = torch.arange(size)
    one = 10 * places[:, None] + places
    return torch.stack([one + 100 * face for face in range(count)])[:, None].float()


def test_the_centre_is_read_in_use() -> None:
    part = Preprocessing(crop=5, std=1 / 255).eval()
    images = numbered(3)
    expected = images[:, :, 1:6, 1:6]
    torch.testing.assert_close(part(images), expected)
    assert torch.equal(part(images), part(images))
    torch.testing.assert_close(
        part(images.to(torch.uint8)), images.to(torch.uint8)[..., 1:6, 1:6].float()
    )


def test_any_place_of_each_face_is_read_while_training() -> None:
    torch.manual_seed(0)
    part = Preprocessing(crop=5, std=1 / 255).train()
    images = numbered(400)
    crops = part(images).round().long()
    origins = crops[:, 0, 0, 0] - 100 * torch.arange(400)
    tops, lefts = origins // 10, origins % 10
    # Whole places of the right face.
    expected = [
        images[i, :, t : t + 5, x : x + 5] for i, (t, x) in enumerate(zip(tops, lefts, strict=True))
    ]
    assert torch.equal(crops, torch.stack(expected).long())
    # All of them, and each about as often; rows and columns each by itself.
    assert torch.bincount(4 * tops + lefts, minlength=16).min() > 10
    assert torch.bincount(4 * tops + lefts).max() < 45


def test_places_are_drawn_from_the_global_generator() -> None:
    part, images = Preprocessing(crop=5).train(), numbered(20)
    torch.manual_seed(3)
    first, second = part(images), part(images)
    torch.manual_seed(3)
    assert torch.equal(part(images), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("crop", "resize", "side"), [(None, None, 8), (5, None, 5), (6, 12, 12)])
def test_the_side_is_as_it_says(crop: int | None, resize: int | None, side: int) -> None:
    part = Preprocessing(crop=crop, resize=resize)
    assert part.output_size(8) == side
    for mode in (True, False):
        assert part.train(mode)(numbered(2)).shape == (2, 1, side, side)


def test_enlarging_is_bilinear() -> None:
    larger = Preprocessing(resize=16, std=1 / 255)(numbered())[0, 0]
    # Inside, a slope stays one; at the edge it can't go on.
    torch.testing.assert_close(larger[4, 1:15].diff(), torch.full((13,), 0.5))
    torch.testing.assert_close(larger[1:15, 4].diff(), torch.full((13,), 5.0))


@pytest.mark.parametrize("option", ["crop", "resize"])
def test_sides_must_be_positive(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be positive, not 0"):
        Preprocessing(**{option: 0})


def test_more_than_there_is_can_not_be_cropped() -> None:
    with pytest.raises(ValueError, match="50 pixels can't be cropped from faces of 48"):
        Preprocessing(crop=50).output_size(48)


@pytest.mark.parametrize("std", [0.0, -0.5])
def test_std_must_be_positive(std: float) -> None:
    with pytest.raises(ValueError, match="std must be positive"):
        Preprocessing(std=std)
