"""From grey values to what a network reads: (x / 255 - mean) / std, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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


@pytest.mark.parametrize(("mean", "std"), MEANS_AND_STDS)
def test_values_between_grey_values(mean: float, std: float) -> None:
    values = np.random.default_rng(0).uniform(0, 255, (2, 1, 5, 5)).astype(np.float32)
    outputs = Preprocessing(mean=mean, std=std)(torch.from_numpy(values))
    np.testing.assert_allclose(outputs.numpy(), expected(values, mean, std), rtol=0, atol=1e-6)


def test_the_input_is_left_alone() -> None:
    images = torch.full((1, 1, 2, 2), 100.0)
    Preprocessing(mean=0.5, std=0.5)(images)
    assert (images == 100).all()


def test_it_travels_with_the_weights() -> None:
    there, here = Preprocessing(mean=0.5, std=0.25), Preprocessing()
    here.load_state_dict(there.state_dict())
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(here(images), there(images))
    assert list(there.parameters()) == []


@pytest.mark.parametrize("std", [0.0, -0.5])
def test_std_must_be_positive(std: float) -> None:
    with pytest.raises(ValueError, match="std must be positive"):
        Preprocessing(std=std)
