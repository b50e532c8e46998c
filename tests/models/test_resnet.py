"""The residual network: its stems, its end and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fer.models.backbones import ResNet
from tests.models.test_parts import assert_neighbours_do_not_matter, faces, untrained

TWO: dict[str, Any] = {"widths": [6, 8], "blocks": [1, 2]}


@pytest.mark.parametrize("stem", ["space_to_depth", "conv"])
def test_either_stem_halves_the_face(stem: Any) -> None:
    torch.manual_seed(0)
    network = ResNet(16, **TWO, stem=stem).train()
    assert network.maps(faces(2, 16)).shape == (2, 8, 4, 4)
    assert untrained(network, network(faces(6, 16))) == []
    assert_neighbours_do_not_matter(network, faces(3, 16), faces(2, 16, seed=1))


def test_the_stem_folds_pixels_unless_told_not_to() -> None:
    assert isinstance(ResNet(16, **TWO).layers[0], nn.PixelUnshuffle)
    kinds = [type(part) for part in ResNet(16, **TWO, stem="conv").modules()]
    assert nn.PixelUnshuffle not in kinds


@torch.no_grad()
def test_the_first_stage_may_be_the_stem_alone() -> None:
    network = ResNet(16, widths=[6, 8], blocks=[0, 1]).eval()
    assert network.maps(faces(2, 16)).shape == (2, 8, 4, 4)


@torch.no_grad()
def test_an_odd_face_is_read_by_a_convolution() -> None:
    network = ResNet(13, **TWO, stem="conv").eval()
    assert network.maps(faces(2, 13)).shape == (2, 8, 4, 4)


@torch.no_grad()
def test_the_last_map_is_pooled_as_asked() -> None:
    made = {}
    for pool in ("mean", "max", "both"):
        torch.manual_seed(0)
        made[pool] = ResNet(16, **TWO, pool=pool).eval()
    images = faces(3, 16)
    places = made["mean"].maps(images).flatten(2)
    mean, highest = places.mean(dim=2), places.amax(dim=2)
    torch.testing.assert_close(made["mean"](images), mean)
    torch.testing.assert_close(made["max"](images), highest)
    torch.testing.assert_close(made["both"](images), torch.cat([mean, highest], dim=1))
    assert [network.out_features for network in made.values()] == [8, 8, 16]


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        (16, {"blocks": [1]}, "one entry a stage, but have 2 and 1"),
        (16, {"widths": [], "blocks": []}, "one entry a stage"),
        (16, {"blocks": [1, 0]}, "only the first stage can do without blocks, not as in"),
        (15, {}, "15 pixels are odd: .* choose conv"),
        (6, {}, "6 pixels can't be halved by a stem and 2 stages"),
        (16, {"stem": "patch"}, "unknown stem 'patch'; there are space_to_depth, conv"),
        (16, {"pool": "last"}, "unknown pooling 'last' of the map"),
    ],
)
def test_refuses(size: int, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResNet(size, **(TWO | changes))
