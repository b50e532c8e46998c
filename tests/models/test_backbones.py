"""What backbones are made of; the seams that all of them keep are in ``test_parts``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fer.models.backbones import VGG, ResNet, SmallCNN
from fer.models.backbones._blocks import map_attention
from fer.models.backbones.vit import ViT
from tests.models.test_parts import assert_neighbours_do_not_matter, faces, untrained

SMALL: dict[str, Any] = {"widths": [7, 8], "kernels": [[3, 5, 7], [3]], "pools": ["max", "avg"]}
RESNET: dict[str, Any] = {"widths": [6, 8], "blocks": [1, 2]}
VIT: dict[str, Any] = {"patch": 4, "width": 8, "depth": 2, "heads": 2}
ATTENDING: dict[str, Any] = {
    "small": lambda kind: SmallCNN(16, widths=[8], kernels=[[3]], pools=["max"], attention=kind),
    "vgg": lambda kind: VGG(16, widths=[8], convs=[1], attention=kind),
    "resnet": lambda kind: ResNet(16, widths=[8], blocks=[1], attention=kind),
}


def test_a_small_cnn_has_the_filters_and_pooling_of_its_stages() -> None:
    cnn = SmallCNN(48, **SMALL)
    convolutions = [m for m in cnn.modules() if isinstance(m, nn.Conv2d)]
    assert [c.kernel_size for c in convolutions] == [(3, 3), (5, 5), (7, 7), (3, 3)]
    # Seven channels among three sizes, then what came out goes in.
    assert [c.out_channels for c in convolutions] == [3, 2, 2, 8]
    assert [c.in_channels for c in convolutions] == [1, 1, 1, 7]
    pools = [m for m in cnn.modules() if isinstance(m, nn.MaxPool2d | nn.AvgPool2d)]
    assert [type(pool) for pool in pools] == [nn.MaxPool2d, nn.AvgPool2d]


@torch.no_grad()
def test_dropout_takes_whole_maps_while_training() -> None:
    torch.manual_seed(0)
    cnn = SmallCNN(48, **SMALL, dropout=0.5)
    images = faces(16)
    average, greatest = cnn.train()(images).chunk(2, dim=1)
    dropped = average == 0
    assert 0.3 < dropped.float().mean() < 0.7
    assert torch.equal(dropped, greatest == 0)
    assert torch.equal(cnn.eval()(images), cnn(images))


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        (16, {"stem": "space_to_depth"}),
        (16, {"stem": "conv"}),
        (13, {"stem": "conv"}),  # An odd face.
        (16, {"blocks": [0, 1]}),  # The first stage is the stem alone.
    ],
)
def test_each_stem_of_a_resnet_halves_the_face(size: int, changes: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = ResNet(size, **(RESNET | changes)).train()
    assert network.maps(faces(2, size)).shape == (2, 8, 4, 4)
    assert untrained(network, network(faces(6, size))) == []


@torch.no_grad()
def test_the_last_map_is_pooled_as_asked() -> None:
    made = {}
    for pool in ("mean", "max", "both"):
        torch.manual_seed(0)
        made[pool] = ResNet(16, **RESNET, pool=pool).eval()
    images = faces(3, 16)
    places = made["mean"].maps(images).flatten(2)
    mean, highest = places.mean(dim=2), places.amax(dim=2)
    torch.testing.assert_close(made["mean"](images), mean)
    torch.testing.assert_close(made["max"](images), highest)
    torch.testing.assert_close(made["both"](images), torch.cat([mean, highest], dim=1))
    assert [network.out_features for network in made.values()] == [8, 8, 16]


@torch.no_grad()
def test_a_token_of_a_transformer_is_a_patch() -> None:
    """Without blocks that exchange, what changes in one patch changes that place alone."""
    torch.manual_seed(0)
    vit = ViT(12, **(VIT | {"stem": "patch"})).eval()
    assert vit.network.patch_embed.num_patches == 9
    vit.network.blocks = nn.Identity()
    images = torch.rand(1, 1, 12, 12)
    changed = images.clone()
    changed[..., 4:8, 8:12] += 1
    moved = (vit.maps(images) - vit.maps(changed)).abs().sum(dim=1)[0] > 1e-6
    assert moved.nonzero().tolist() == [[1, 2]]


@pytest.mark.parametrize("stem", ["conv", "patch"])
def test_either_stem_of_a_transformer_keeps_the_contract(stem: Any) -> None:
    torch.manual_seed(0)
    vit = ViT(16, **VIT, stem=stem).train()
    assert untrained(vit, vit(faces(6, 16))) == []
    assert_neighbours_do_not_matter(vit, faces(3, 16), faces(2, 16, seed=1))
    assert vit.tokens(faces(2, 16)).shape == (2, 16, vit.token_features)
    skipping = ViT(16, **VIT, stem=stem, drop_path=0.5)
    images = faces(16, 16)
    assert not torch.equal(skipping.train()(images), skipping(images))
    assert torch.equal(skipping.eval()(images), skipping(images))


@pytest.mark.parametrize("kind", ["channel", "spatial", "both"])
@pytest.mark.parametrize("name", ATTENDING)
def test_a_backbone_may_attend(name: str, kind: str) -> None:
    torch.manual_seed(0)
    backbone: nn.Module = ATTENDING[name](kind).train()
    assert untrained(backbone, backbone(faces(6, 16))) == []
    plain = sum(p.numel() for p in ATTENDING[name]("none").parameters())
    assert sum(p.numel() for p in backbone.parameters()) > plain


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SmallCNN(48, **(SMALL | {"widths": [7]})), "1, 2 and 2"),
        (lambda: SmallCNN(48, **(SMALL | {"kernels": [[3, 4], [3]]})), r"\[3, 4\]"),
        (lambda: SmallCNN(48, **(SMALL | {"kernels": [[3], []]})), r"\[\]"),
        (lambda: SmallCNN(48, **(SMALL | {"widths": [2, 8]})), "2 channels"),
        (lambda: SmallCNN(48, **(SMALL | {"pools": ["max", "median"]})), "'median'"),
        (lambda: SmallCNN(3, **SMALL), "3 pixels"),
        (lambda: ResNet(16, **(RESNET | {"blocks": [1]})), "2 and 1"),
        (lambda: ResNet(16, **(RESNET | {"blocks": [1, 0]})), "only the first stage"),
        (lambda: ResNet(15, **RESNET), "choose conv"),
        (lambda: ResNet(6, **RESNET), "6 pixels"),
        (lambda: ResNet(16, **RESNET, stem="patch"), "'patch'"),
        (lambda: ResNet(16, **RESNET, pool="last"), "'last'"),
        (lambda: ViT(12, **(VIT | {"patch": 5})), "2, 3, 4, 6 do"),
        (lambda: ViT(12, **(VIT | {"patch": 3})), "choose stem=patch"),
        (lambda: ViT(12, **(VIT | {"heads": 3})), "3 heads"),
        (lambda: ATTENDING["vgg"]("self"), "'self'"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
