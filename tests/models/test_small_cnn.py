"""The paper's kind of CNN: what it is made of and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fer.models.backbones import SmallCNN

TWO_STAGES: dict[str, Any] = {
    "widths": [7, 8],
    "kernels": [[3, 5, 7], [3]],
    "pools": ["max", "avg"],
}


def test_each_stage_has_its_filters_and_pooling() -> None:
    cnn = SmallCNN(48, **TWO_STAGES)
    convolutions = [m for m in cnn.modules() if isinstance(m, nn.Conv2d)]
    assert [c.kernel_size for c in convolutions] == [(3, 3), (5, 5), (7, 7), (3, 3)]
    # Seven channels among three sizes, then what came out goes in.
    assert [c.out_channels for c in convolutions] == [3, 2, 2, 8]
    assert [c.in_channels for c in convolutions] == [1, 1, 1, 7]
    pools = [m for m in cnn.modules() if isinstance(m, nn.MaxPool2d | nn.AvgPool2d)]
    assert [type(pool) for pool in pools] == [nn.MaxPool2d, nn.AvgPool2d]


@torch.no_grad()
def test_the_last_map_is_averaged_and_maximised() -> None:
    cnn = SmallCNN(48, **TWO_STAGES).eval()
    images = torch.rand(2, 1, 48, 48)
    maps = cnn.stages(images)
    assert maps.shape == (2, 8, 12, 12)
    expected = torch.cat([maps.mean(dim=(2, 3)), maps.flatten(2).max(dim=2).values], dim=1)
    torch.testing.assert_close(cnn(images), expected)


@torch.no_grad()
def test_dropout_takes_whole_maps_while_training() -> None:
    torch.manual_seed(0)
    cnn = SmallCNN(48, **TWO_STAGES, dropout=0.5)
    images = torch.rand(16, 1, 48, 48)
    average, greatest = cnn.train()(images).chunk(2, dim=1)
    dropped = average == 0
    assert 0.3 < dropped.float().mean() < 0.7
    assert torch.equal(dropped, greatest == 0)
    assert torch.equal(cnn.eval()(images), cnn(images))


@torch.no_grad()
def test_the_smallest_picture() -> None:
    cnn = SmallCNN(4, **TWO_STAGES).eval()
    assert cnn(torch.rand(2, 1, 4, 4)).isfinite().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": [7]}, r"one entry a stage, but have 1, 2 and 2"),
        ({"kernels": [[3, 5, 7]]}, r"one entry a stage, but have 2, 1 and 2"),
        ({"pools": ["max"] * 3}, r"one entry a stage, but have 2, 2 and 3"),
        ({"widths": [], "kernels": [], "pools": []}, r"one entry a stage"),
        ({"kernels": [[3, 4], [3]]}, r"odd and positive, not \[3, 4\]"),
        ({"kernels": [[3], [0]]}, r"odd and positive, not \[0\]"),
        ({"kernels": [[3], [-1]]}, r"odd and positive, not \[-1\]"),
        ({"kernels": [[3], []]}, r"odd and positive, not \[\]"),
        ({"widths": [2, 8]}, r"2 channels can't be shared by filters \[3, 5, 7\]"),
        ({"pools": ["max", "median"]}, r"unknown pooling 'median'; there are max, avg, none"),
    ],
)
def test_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SmallCNN(48, **(TWO_STAGES | changes))


@torch.no_grad()
def test_a_stage_without_pooling_keeps_the_resolution() -> None:
    cnn = SmallCNN(5, **(TWO_STAGES | {"pools": ["max", "none"]})).eval()
    # An odd size loses what doesn't fill a pool.
    assert cnn.maps(torch.rand(2, 1, 5, 5)).shape == (2, 8, 2, 2)
    assert SmallCNN(2, **(TWO_STAGES | {"pools": ["none", "max"]})).out_features == 16


def test_refuses_a_picture_that_vanishes() -> None:
    with pytest.raises(ValueError, match=r"3 pixels can't be halved by 2 stages"):
        SmallCNN(3, **TWO_STAGES)
