"""A CNN's feature map read by an LSTM: which places are a step, and what can't be read."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fer.models import CRNN, BuildError, Columns, Patches, Pixels, Rows, View, allowing, build
from tests.support.parts import composed

BACKBONES = {
    "small": ("model.backbone.widths=[4,6,8,10]",),
    "vgg": ("model.backbone.widths=[4,6,8]", "model.backbone.convs=[1,1,1]"),
    "resnet": ("model.backbone.widths=[4,6]", "model.backbone.blocks=[1,1]"),
    "timm": ("model.backbone.name=test_resnet.r160_in1k", "model.backbone.resize=64"),
}
#: Keeps its map with the channels last.
SWIN = "swin_tiny_patch4_window7_224"


def crnn(*overrides: str, size: int = 48, **changes: Any) -> CRNN:
    torch.manual_seed(0)
    spec = composed("model=crnn", *overrides)["model"] | changes
    return build(spec, expects=CRNN, classes=3, size=size)


def grey(count: int, size: int = 48) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 1, size, size), generator=generator, dtype=torch.uint8)


def numbered(channels: int, size: int) -> Tensor:
    """Return a map whose value says channel, row and column."""
    c, y, x = torch.meshgrid(
        torch.arange(channels), torch.arange(size), torch.arange(size), indexing="ij"
    )
    return (100 * c + 10 * y + x)[None].float()


@pytest.mark.parametrize(
    ("view", "step", "values"),
    [
        (Rows(4, channels=2), 1, [10, 11, 12, 13, 110, 111, 112, 113]),
        (Columns(4, channels=2), 1, [1, 11, 21, 31, 101, 111, 121, 131]),
        (Pixels(4, channels=2, side=None), 6, [12, 112]),
        (Patches(4, channels=2, patch=2), 1, [2, 3, 12, 13, 102, 103, 112, 113]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, View) else "",
)
def test_a_step_of_a_map_holds_all_channels(view: View, step: int, values: list[int]) -> None:
    steps = view(numbered(2, 4))
    assert steps.shape == (1, view.steps, view.features)
    assert sorted(steps[0, step].tolist()) == values
    if isinstance(view, Rows | Pixels):
        assert steps[0, step].tolist() == values


@pytest.mark.parametrize("lstm", ["positions", "rows", "columns"])
@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_any_backbone_with_a_map_is_read(name: str, lstm: str) -> None:
    network = crnn(f"backbone={name}", *BACKBONES[name], f"lstm={lstm}").eval()
    images = grey(2)
    maps = network.backbone.feature_map(network.preprocessing(images))
    by_hand = network.head(network.lstm(maps))
    torch.testing.assert_close(network(images), by_hand)
    side = maps.shape[-1]
    assert network.lstm.view.steps == (side**2 if lstm == "positions" else side)
    assert list(network.branches) == ["lstm"]


@pytest.mark.filterwarnings("ignore::UserWarning")
@torch.no_grad()
def test_a_map_with_the_channels_last_is_turned() -> None:
    backbone: Any = crnn(
        "backbone=timm", f"model.backbone.name={SWIN}", "model.backbone.resize=64"
    ).eval()
    x = torch.rand(1, 1, 48, 48)
    maps = backbone.backbone.feature_map(x)
    assert maps.shape[1] == backbone.backbone.token_features
    torch.testing.assert_close(maps.flatten(2).transpose(1, 2), backbone.backbone.tokens(x))


@torch.no_grad()
def test_measuring_the_map_leaves_the_backbone_as_it_was() -> None:
    network = crnn(*BACKBONES["small"])
    assert network.training
    assert all(part.training for part in network.modules())
    statistics = [m.running_mean for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(mean.any() for mean in statistics if mean is not None)


@torch.no_grad()
def test_metadata_are_a_second_branch() -> None:
    columns = {"age": {"mean": 40.0, "std": 10.0}}
    metadata = {"_target_": "fer.models.metadata.MetadataBranch", "columns": columns}
    network = crnn("fusion=concat", *BACKBONES["small"], metadata=metadata).eval()
    assert list(network.branches) == ["lstm", "metadata"]
    young, old = (network(grey(1), torch.tensor([[age]])) for age in (10.0, 80.0))
    assert not torch.allclose(young, old)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["lstm=none"], "choose lstm=positions"),
        (["backbone=none"], "choose backbone=small"),
        (["fusion=concat"], "the model has only its lstm: choose fusion=none"),
        (["backbone=timm", "model.backbone.name=test_vit.r160_in1k"], "keeps no feature map"),
        (["lstm=pixels"], "3 pixels a side can't be averaged down to 24"),
        (["model.backbone.pools=[max,max,max,max]", "data.size=16"], "1×1 places"),
        (["model.lstm.view._target_=torch.nn.Identity"], "not a View"),
    ],
)
def test_refuses(overrides: list[str], message: str) -> None:
    size = 16 if "data.size=16" in overrides else 48
    with pytest.raises(BuildError, match=message):
        crnn(*overrides, size=size)


def test_refuses_a_backbone_without_a_map() -> None:
    refused = pytest.raises(BuildError, match="Flatten, which keeps no feature map")
    with refused, allowing([__name__]):
        crnn(backbone={"_target_": f"{__name__}.Flatten"})


class Flatten(nn.Flatten):
    """A backbone by the contract, and no more."""

    out_features = 48**2

    def __init__(self, size: int) -> None:
        super().__init__()
