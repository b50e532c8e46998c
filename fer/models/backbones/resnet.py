"""A residual network made for small faces, quick on CPUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from annotated_types import MinLen
from torch import Tensor, nn

from fer.core.ranges import NonNegativeInt, ShareBelowOne, Widths
from fer.models.backbones._blocks import ConvNorm, MapAttention, Residual
from fer.models.branch import MapBranch, Pool

Stem = Literal["space_to_depth", "conv"]


class ResNet(MapBranch):
    """Residual stages (He et al. 2016) behind a space-to-depth stem (Ridnik et al. 2021).

    The stem folds each 2×2 block of pixels into channels, so no convolution runs at full
    resolution, where a small face has the least to say per operation. A strided convolution comes
    to the same resolution. Each stage but the first halves it.

    Args:
        size: height and width of the input, in pixels; even for a space-to-depth stem.
        widths: channels of each stage.
        blocks: residual blocks of each stage; 0 for the first one leaves it to the stem, whose
            convolution is then all that runs at its resolution.
        stem: ``space_to_depth``, or ``conv`` for a strided convolution.
        pool: how the places of the last map become one vector: ``mean``, ``max`` or ``both``.
        attention: to ``channel``, ``spatial`` places or ``both`` (Woo et al. 2018), in each block;
            or ``none``.
        dropout: share of whole maps dropped after the last stage.

    Shape:
        ``[B, 1, size, size]`` → ``[B, widths[-1]]``, or twice that with both poolings.

    Raises:
        ValueError: the lists differ in length, a later stage has no block, the stem or pooling is
            unknown, or the input is odd or too small.
    """

    def __init__(
        self,
        size: int,
        *,
        widths: Widths = (64, 128, 256),
        blocks: Annotated[Sequence[NonNegativeInt], MinLen(1)] = (1, 1, 1),
        stem: Stem = "space_to_depth",
        pool: Pool = "mean",
        attention: MapAttention = "none",
        dropout: ShareBelowOne = 0.0,
    ) -> None:
        if not widths or len(widths) != len(blocks):
            raise ValueError(
                "widths and blocks need one entry a stage, but have "
                f"{len(widths)} and {len(blocks)}"
            )
        if min(blocks[1:], default=1) < 1:
            raise ValueError(
                f"only the first stage can do without blocks, not as in {list(blocks)}"
            )
        if stem not in ("space_to_depth", "conv"):
            raise ValueError(f"unknown stem {stem!r}; there are space_to_depth, conv")
        if stem == "space_to_depth" and size % 2:
            raise ValueError(f"{size} pixels are odd: space to depth folds 2×2 pixels; choose conv")
        if size < 2 ** (len(widths) + 1):
            raise ValueError(f"{size} pixels can't be halved by a stem and {len(widths)} stages")
        super().__init__(widths[-1], pool=pool, dropout=dropout)
        layers: list[nn.Module] = (
            [nn.PixelUnshuffle(2), ConvNorm(4, widths[0])]
            if stem == "space_to_depth"
            else [ConvNorm(1, widths[0], stride=2)]
        )
        channels = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(Residual(channels, width, stride, attention))
                channels = width
        self.layers = nn.Sequential(*layers)

    def maps(self, x: Tensor) -> Tensor:
        maps: Tensor = self.layers(x)
        return maps
