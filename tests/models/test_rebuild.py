"""A network of a file is made in no more memory than its weights say, whatever it describes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fer.models import BuildError, build, rebuild
from tests.support.parts import composed


def described(*overrides: str) -> dict[str, Any]:
    return dict(composed(*overrides)["model"])


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=cnn",), ("model=lstm", "lstm=pixels"), ("fusion=attention",), ("model=crnn",),
        ("backbone=vit",), ("backbone=timm", "model.backbone.name=vit_tiny_patch16_224"),
        ("model=clip_lstm", "data=synthetic_clips"), ("model=clip_frames", "data=synthetic_clips"),
        ("model=convlstm", "data=synthetic_clips"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_kind_is_made_again_and_measured(overrides: tuple[str, ...]) -> None:
    spec = described(*overrides)
    weights = build(spec, expects=nn.Module, classes=3, size=48).state_dict()
    network, largest = rebuild(spec, weights, classes=3, size=48)
    assert all(torch.equal(one, weights[name]) for name, one in network.state_dict().items())
    assert 48 * 48 <= largest < 2**24


def test_what_a_face_would_become_is_bounded() -> None:
    spec = described("model=cnn")
    weights = build(spec, expects=nn.Module, classes=3, size=48).state_dict()
    spec["preprocessing"]["resize"] = 60_000
    with pytest.raises(BuildError, match="numbers at once of one face"):
        rebuild(spec, weights, classes=3, size=48)


def test_no_weights_of_elsewhere_are_looked_for() -> None:
    """Those of the file are put in their place anyway."""
    spec = described("model=cnn", "backbone=timm")
    weights = build(spec, expects=nn.Module, classes=3, size=48).state_dict()
    spec["backbone"] |= {"pretrained": True, "weights": "nowhere.safetensors"}
    rebuild(spec, weights, classes=3, size=48)
