"""A vision transformer small enough for small faces."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, cast

from timm.layers.hybrid_embed import HybridEmbed
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_hybrid import ConvStem
from torch import Tensor

from fer.core.ranges import PositiveInt, ShareBelowOne
from fer.models.branch import MapBranch, Pool

Stem = Literal["patch", "conv"]


class ViT(MapBranch):
    """Patches of the face as words of a sentence (Dosovitskiy et al. 2021), in timm's parts.

    The patches are cut either as there, by one projection, or by a few strided convolutions that
    halve the resolution until a place stands for a patch (Xiao et al. 2021): without pre-training,
    a transformer learns from few pictures with the latter alone. Every place is a token, and all of
    them are averaged in the end, in place of a class token, so that the tokens are a feature map as
    those of a CNN.

    Args:
        size: height and width of the input, in pixels.
        patch: height and width of a patch, in pixels; divides ``size``, and is a power of two where
            convolutions make it.
        stem: ``patch`` or ``conv``.
        width: of a token; divisible by ``heads``.
        depth: blocks.
        heads: of the attention of each block.
        drop_path: share of blocks that are skipped in the end, for each face while training,
            rising from none at the first block (Huang et al. 2016, stochastic depth).
        pool: how tokens become one vector: ``mean``, ``max`` or ``both``.
        dropout: share of whole channels of the tokens dropped after the last block.

    Shape:
        ``[B, 1, size, size]`` → ``[B, width]``.

    Raises:
        ValueError: ``patch`` doesn't divide ``size`` or is no power of two, ``heads`` don't divide
            ``width``, or the stem is unknown.

    Example:
        >>> import torch
        >>> vit = ViT(48, patch=8, width=16, depth=1, heads=2)
        >>> vit.tokens(torch.zeros(2, 1, 48, 48)).shape
        torch.Size([2, 36, 16])
    """

    def __init__(
        self,
        size: int,
        *,
        patch: PositiveInt = 8,
        stem: Stem = "conv",
        width: PositiveInt = 128,
        depth: PositiveInt = 6,
        heads: PositiveInt = 4,
        drop_path: ShareBelowOne = 0.1,
        pool: Pool = "mean",
        dropout: ShareBelowOne = 0.0,
    ) -> None:
        if stem not in ("patch", "conv"):
            raise ValueError(f"unknown stem {stem!r} of a transformer; there are patch, conv")
        if patch < 1 or size % patch:
            fits = [str(n) for n in range(2, size // 2 + 1) if size % n == 0]
            raise ValueError(f"patches of {patch} don't divide {size} pixels; {', '.join(fits)} do")
        if width % heads:
            raise ValueError(f"{heads} heads can't share a width of {width}")
        super().__init__(width, pool=pool, dropout=dropout)
        self.side = size // patch
        # What both stems have in common; a stem of convolutions makes patches of one place.
        embedding: dict[str, Any] = {"patch_size": patch}
        if stem == "conv":
            embedding = {"patch_size": 1, "embed_layer": _convolutions(patch, width)}
        self.network = VisionTransformer(
            img_size=size,
            in_chans=1,
            num_classes=0,
            global_pool="avg",
            class_token=False,
            # Before the pooling, where tokens are read too.
            fc_norm=False,
            embed_dim=width,
            depth=depth,
            num_heads=heads,
            drop_path_rate=drop_path,
            **embedding,
        )
        for block in self.network.blocks:
            # torch's fused attention takes more than half of a training step on a processor: it
            # is made for sequences of another length than a few dozen.
            cast("Any", block).attn.fused_attn = False

    def maps(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.network.forward_features(x)
        return tokens.transpose(1, 2).reshape(-1, self.token_features, self.side, self.side)


def _convolutions(patch: int, width: int) -> Any:
    """Return what makes the stem, as timm asks for it."""
    halvings = patch.bit_length() - 1
    if halvings < 1 or patch != 2**halvings:
        raise ValueError(
            f"convolutions halve the resolution to patches of 2, 4, 8, … pixels, not {patch}: "
            "choose stem=patch for others"
        )
    channels = tuple(max(1, width // 2**left) for left in reversed(range(halvings)))
    stem = ConvStem(1, depth=halvings, channels=channels, stride=(2,) * halvings)
    return partial(HybridEmbed, backbone=stem, proj=False)
