"""The small transformer: its tokens are places of the face, by either stem."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fer.models import CRNN, build
from fer.models.backbones.vit import ViT
from tests.models.test_parts import assert_neighbours_do_not_matter, faces, untrained
from tests.support.parts import composed

TINY: dict[str, Any] = {"patch": 4, "width": 8, "depth": 2, "heads": 2}


@torch.no_grad()
def test_a_token_is_a_patch() -> None:
    """Without blocks that exchange, what changes in one patch changes that place alone."""
    torch.manual_seed(0)
    vit = ViT(12, **(TINY | {"stem": "patch"})).eval()
    assert vit.network.patch_embed.num_patches == 9
    vit.network.blocks = nn.Identity()
    images = torch.rand(1, 1, 12, 12)
    changed = images.clone()
    changed[..., 4:8, 8:12] += 1
    moved = (vit.maps(images) - vit.maps(changed)).abs().sum(dim=1)[0] > 1e-6
    assert moved.nonzero().tolist() == [[1, 2]]


@pytest.mark.parametrize("stem", ["conv", "patch"])
def test_either_stem_keeps_the_contract(stem: Any) -> None:
    torch.manual_seed(0)
    vit = ViT(16, **TINY, stem=stem).train()
    assert untrained(vit, vit(faces(6, 16))) == []
    assert_neighbours_do_not_matter(vit, faces(3, 16), faces(2, 16, seed=1))
    assert vit(faces(2, 16)).shape == (2, vit.out_features) == (2, 8)
    assert vit.tokens(faces(2, 16)).shape == (2, 16, vit.token_features)


def test_blocks_are_skipped_while_training_alone() -> None:
    torch.manual_seed(0)
    vit = ViT(16, **(TINY | {"stem": "patch"}), drop_path=0.5)
    images = faces(16, 16)
    assert not torch.equal(vit.train()(images), vit(images))
    assert torch.equal(vit.eval()(images), vit(images))


def test_keys_change_it() -> None:
    keys = ("width=32", "depth=2", "heads=8", "patch=6", "stem=patch", "pool=both")
    spec = composed("model=transformer", *(f"model.backbone.{key}" for key in keys))["model"]
    network: Any = build(spec, expects=nn.Module, classes=3, size=48)
    vit = network.backbone.network
    assert (len(vit.blocks), vit.blocks[0].attn.num_heads, vit.embed_dim) == (2, 8, 32)
    assert (vit.patch_embed.num_patches, network.backbone.out_features) == (64, 64)
    assert list(network.branches) == ["backbone"]
    assert network.fusion is None


def test_an_lstm_may_read_its_tokens() -> None:
    small = ("model.backbone.width=8", "model.backbone.depth=1", "model.backbone.heads=2")
    spec = composed("model=crnn", "backbone=vit", *small)["model"]
    network: Any = build(spec, expects=CRNN, classes=3, size=48)
    assert network.lstm.view.steps == 36


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 5}, r"patches of 5 don't divide 12 pixels; 2, 3, 4, 6 do"),
        ({"patch": 3}, r"2, 4, 8, … pixels, not 3: choose stem=patch"),
        ({"patch": 1}, r"2, 4, 8, … pixels, not 1"),
        ({"heads": 3}, "3 heads can't share a width of 8"),
        ({"stem": "space_to_depth"}, "unknown stem 'space_to_depth'"),
        ({"pool": "last"}, "unknown pooling 'last' of the map; there are mean, max, both"),
    ],
)
def test_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ViT(12, **(TINY | changes))
