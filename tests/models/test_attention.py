"""Attention to steps, channels and places: what is weighed, and by what."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from fer.models import BuildError, SequenceBranch, build
from fer.models.backbones import VGG, ResNet, SmallCNN
from fer.models.backbones._blocks import map_attention
from fer.models.sequence import StepAttention
from tests.models.test_parts import assert_neighbours_do_not_matter, faces, untrained
from tests.support.parts import composed

KINDS = ("channel", "spatial", "both")
SMALL: dict[str, Any] = {
    "small": lambda kind: SmallCNN(16, widths=[8], kernels=[[3]], pools=["max"], attention=kind),
    "vgg": lambda kind: VGG(16, widths=[8], convs=[1], attention=kind),
    "resnet": lambda kind: ResNet(16, widths=[8], blocks=[1], attention=kind),
}


@torch.no_grad()
def test_scores_are_those_of_the_formula() -> None:
    torch.manual_seed(0)
    attention = StepAttention(3)
    steps = torch.rand(1, 4, 3)
    weight, bias = attention.hidden.weight, attention.hidden.bias
    (v,) = attention.score.weight
    scores = [float(v @ (weight @ step + bias).tanh()) for step in steps[0]]
    shares = [math.exp(score) for score in scores]
    expected = sum(share / sum(shares) * step for share, step in zip(shares, steps[0], strict=True))
    torch.testing.assert_close(attention(steps)[0], expected)
    torch.testing.assert_close(attention.weights(steps).sum(dim=1), torch.ones(1))


@torch.no_grad()
def test_the_step_that_is_asked_for_is_read() -> None:
    """With a question that is sure of itself, the mean is the one step that answers it."""
    attention = StepAttention(2)
    attention.hidden.weight.copy_(torch.eye(2))
    attention.hidden.bias.zero_()
    attention.score.weight.copy_(torch.tensor([[100.0, 0.0]]))
    steps = torch.tensor([[[-1.0, 3.0], [1.0, 5.0], [-1.0, 7.0]]])
    torch.testing.assert_close(attention(steps), torch.tensor([[1.0, 5.0]]))


@torch.no_grad()
def test_a_branch_may_pool_by_attention() -> None:
    torch.manual_seed(0)
    view = {"_target_": "fer.models.Rows"}
    branch = SequenceBranch(12, view=view, units=4, pooling="attention").eval()
    images = torch.rand(3, 1, 12, 12)
    steps, _ = branch.lstm(images[:, 0])
    assert branch.attention is not None
    torch.testing.assert_close(branch(images), branch.attention(steps))
    assert branch(images).shape == (3, branch.out_features)
    assert SequenceBranch(12, view=view, units=4).attention is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SMALL)
def test_a_backbone_may_attend(name: str, kind: str) -> None:
    torch.manual_seed(0)
    backbone: nn.Module = SMALL[name](kind).train()
    assert untrained(backbone, backbone(faces(6, 16))) == []
    assert_neighbours_do_not_matter(backbone, faces(3, 16), faces(2, 16, seed=1))
    plain = sum(p.numel() for p in SMALL[name]("none").parameters())
    assert sum(p.numel() for p in backbone.parameters()) > plain


@pytest.mark.parametrize("name", SMALL)
def test_none_adds_nothing(name: str) -> None:
    without = SMALL[name]("none")
    assert not [key for key in without.state_dict() if "attention" in key or "fc1" in key]


@pytest.mark.parametrize(("kind", "alike"), [("channel", (2, 3)), ("spatial", (1,))])
@torch.no_grad()
def test_what_is_weighed_together(kind: Any, alike: tuple[int, ...]) -> None:
    """One weight a channel for all its places, or one a place for all its channels."""
    torch.manual_seed(0)
    part = map_attention(kind, 8).eval()
    maps = torch.rand(2, 8, 5, 5) + 1
    weights = part(maps) / maps
    lowest, highest = weights.amin(dim=alike), weights.amax(dim=alike)
    torch.testing.assert_close(lowest, highest)
    assert lowest.std() > 0
    assert ((weights > 0) & (weights < 1)).all()


@pytest.mark.parametrize("name", SMALL)
def test_an_unknown_kind_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown attention 'self'; there are none, channel"):
        SMALL[name]("self")


def test_the_model_has_attention_everywhere() -> None:
    for backbone in ("small", "vgg", "resnet"):
        spec = composed("model=cnn_lstm_attention", f"backbone={backbone}", "lstm=columns")["model"]
        assert spec["backbone"]["attention"] == "both"
        assert spec["lstm"]["pooling"] == "attention"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("lstm=none",), "the model sets pooling=attention of its lstm, which is none"),
        (("backbone=none",), "the model sets attention=both of its backbone, which is none"),
        (("backbone=timm",), "unexpected keyword argument 'attention'"),
    ],
)
def test_refuses(overrides: tuple[str, ...], message: str) -> None:
    spec = composed("model=cnn_lstm_attention", *overrides)["model"]
    with pytest.raises(BuildError, match=message):
        build(spec, expects=nn.Module, classes=3, size=48)
