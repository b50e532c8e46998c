"""Fusion, head and the assembled network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fer.models import BuildError, Concat, DenseHead, Fusion, FusionNetwork
from tests.support.parts import composed


def test_concat_keeps_the_order_of_branches() -> None:
    first, second = torch.zeros(2, 3), torch.ones(2, 2)
    outputs = Concat([3, 2])([first, second])
    assert outputs.tolist() == [[0, 0, 0, 1, 1]] * 2


@pytest.mark.parametrize("kind", [Fusion, Concat])
@pytest.mark.parametrize("widths", [[], [3]])
def test_fusion_needs_two_branches(kind: type[Fusion], widths: list[int]) -> None:
    with pytest.raises(ValueError, match=f"two branches or more, but .* {len(widths)}"):
        kind(widths)


@pytest.mark.parametrize("hidden", [[], [5], [5, 4]])
def test_head_drops_features_before_its_last_layer(hidden: list[int]) -> None:
    torch.manual_seed(0)
    head = DenseHead(6, 3, hidden=hidden, dropout=0.5)
    seen: list[torch.Tensor] = []
    head.layers[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    # Biases that keep the ReLUs open, so that a zero is one that was dropped.
    for layer in list(head.layers)[:-1]:
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.bias, 5.0)
    head(torch.ones(64, 6))
    head.eval()(torch.ones(64, 6))
    trained, used = seen
    # Of what a ReLU lets through, about half is dropped.
    assert (trained[used > 0] == 0).float().mean() > 0.2


def small_network(**changes: Any) -> FusionNetwork:
    spec = composed()["model"] | changes
    del spec["_target_"]
    return FusionNetwork(classes=7, size=48, **spec)


@torch.no_grad()
def test_the_network_is_its_parts_one_after_the_other() -> None:
    torch.manual_seed(0)
    network = small_network().eval()
    images = torch.randint(0, 256, (3, 1, 48, 48), dtype=torch.uint8)
    x = network.preprocessing(images)
    features = torch.cat([network.backbone(x), network.lstm(x)], dim=1)
    torch.testing.assert_close(network(images), network.head(features))


@pytest.mark.parametrize("part", ["backbone", "lstm"])
def test_a_branch_without_a_width_is_no_branch(part: str) -> None:
    """`out_features` is the contract; a module without it doesn't fit, which is not a crash."""
    with pytest.raises(BuildError, match="out_features"):
        small_network(**{part: {"_target_": "torch.nn.Identity"}})


@pytest.mark.parametrize(("crop", "resize", "side"), [(44, None, 44), (None, 64, 64), (44, 66, 66)])
@torch.no_grad()
def test_branches_are_made_for_what_preprocessing_gives(
    crop: int | None, resize: int | None, side: int
) -> None:
    torch.manual_seed(0)
    preprocessing = composed()["model"]["preprocessing"] | {"crop": crop, "resize": resize}
    network = small_network(preprocessing=preprocessing)
    assert network.lstm.view.steps == side
    images = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    assert network.train()(images).shape == (2, 7)
    logits = network.eval()(images)
    # The frame of a crop says nothing.
    if crop is not None:
        images[:, :, :2] = 0
    assert torch.equal(network(images), logits)
