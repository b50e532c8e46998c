"""Maps of where a network looks: their shape and scale, and that they look at the right place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fer.evaluation.gradcam import grad_cam, last_map, why_no_cam
from fer.inference import CheckpointModel
from tests.support.models import untrained_model

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
TARGETS = np.array([0, 1, 2, 0, 1])


@pytest.mark.parametrize("fusion", ["concat", "attention"])
def test_maps_are_of_the_faces_size_from_0_to_1(fusion: str) -> None:
    model = untrained_model(f"fusion={fusion}")
    maps = grad_cam(model, IMAGES, TARGETS)
    assert maps.shape == IMAGES.shape
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    highest = maps.max(axis=(1, 2))
    assert np.all((highest == 0) | np.isclose(highest, 1))
    assert highest.any()
    # Each map is of its own face and class.
    np.testing.assert_allclose(grad_cam(model, IMAGES[2:3], TARGETS[2:3])[0], maps[2], atol=1e-4)
    assert not np.allclose(grad_cam(model, IMAGES, (TARGETS + 1) % 3), maps)


class Quarters(nn.Module):
    """The class is the brightest side, left or right, by a convolution that copies the face."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Conv2d(1, 1, 1)
        self.backbone = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.backbone[0].weight.data[:] = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        self.backbone[0].bias.data[:] = torch.tensor([0.0, 200.0])

    def forward(self, x: Tensor) -> Tensor:
        light, dark = self.backbone(x.float()).flatten(1).unbind(dim=1)
        return torch.stack([light, dark], dim=1) + self.gate(x.float()).sum() * 0


def of(network: nn.Module) -> CheckpointModel:
    return CheckpointModel(network.eval().requires_grad_(requires_grad=False), ("light", "dark"), 8)


def test_maps_show_what_speaks_for_the_class() -> None:
    face = np.full((1, 8, 8), 10, dtype=np.uint8)
    face[:, :, 4:] = 190
    light, dark = grad_cam(of(Quarters()), face.repeat(2, axis=0), np.array([0, 1]))
    np.testing.assert_allclose(light, (face[0] / 190), atol=1e-5)
    np.testing.assert_allclose(dark, (200 - face[0].astype(float)) / 190, atol=1e-5)


def test_the_last_map_is_behind_the_last_convolution_of_the_backbone() -> None:
    network = Quarters()
    name, part = last_map(network, 8)
    assert (name, part) == ("backbone.1", network.backbone[1])
    assert last_map(untrained_model().network, 48)[0] == "backbone.stages.3.norm"


class Residual(nn.Module):
    """The shortcut is named last, runs first, and squeezes to a single place in between."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 2, 3, padding=1)
        self.squeeze = nn.Conv2d(2, 2, 1)
        self.shortcut = nn.Conv2d(1, 2, 1)
        self.head = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        short = self.shortcut(x.float())
        long = self.body(x.float())
        long = long * self.squeeze(long.mean(dim=(2, 3), keepdim=True)).sigmoid()
        return self.head((short + long).mean(dim=(2, 3)))


def test_the_last_map_is_the_one_that_runs_last() -> None:
    network = Residual()
    assert last_map(network, 8) == ("body", network.body)
    assert not network.body._forward_hooks


def test_metadata_is_handed_on() -> None:
    model = untrained_model(ages=True)
    for part in model.network.head.modules():
        if isinstance(part, nn.Linear):
            part.weight.data *= 20  # So that what is known moves the rectifiers.
    young, old = (np.full((5, 1), age, dtype=np.float32) for age in (-90.0, 90.0))
    assert not np.allclose(
        grad_cam(model, IMAGES, TARGETS, young), grad_cam(model, IMAGES, TARGETS, old)
    )


def test_what_has_no_maps_says_so() -> None:
    alone = untrained_model(without=("backbone", "fusion"))
    exported: Any = type("Exported", (), {"size": 48})()
    for model, words in (
        (None, "which a file of answers does not give"),
        (exported, "which an exported model does not give"),
        (alone, "the network has none"),
    ):
        assert words in (why_no_cam(model) or "")
    with pytest.raises(ValueError, match="the network has none"):
        grad_cam(alone, IMAGES, TARGETS)
    assert why_no_cam(untrained_model()) is None


def test_maps_of_a_crop_lie_where_it_was_cut() -> None:
    """The network sees nothing of the frame, so that nothing speaks for a class there."""
    model = untrained_model("model.preprocessing.crop=41")
    maps = grad_cam(model, IMAGES, TARGETS)
    assert maps.shape == IMAGES.shape
    frame = np.ones((48, 48), dtype=bool)
    frame[3:44, 3:44] = False
    assert maps.any()
    assert not maps[:, frame].any()
