"""The paper's kind of CNN: several filter sizes and poolings, small enough for a laptop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from fer.core.ranges import ShareBelowOne, Widths
from fer.models.backbones._blocks import MapAttention, map_attention
from fer.models.branch import MapBranch

_POOLS: Final[dict[str, Callable[[], nn.Module]]] = {
    "max": lambda: nn.MaxPool2d(2),
    "avg": lambda: nn.AvgPool2d(2),
    "none": nn.Identity,
}


class _MultiScaleStage(nn.Module):
    """Filters of several sizes side by side, their maps joined, normalised and pooled."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernels: Sequence[int],
        pool: str,
        attention: MapAttention = "none",
    ) -> None:
        super().__init__()
        share, rest = divmod(width, len(kernels))
        self.filters = nn.ModuleList(
            nn.Conv2d(channels, share + (i < rest), k, padding=k // 2, bias=False)
            for i, k in enumerate(kernels)
        )
        self.norm = nn.BatchNorm2d(width)
        self.pool = _POOLS[pool]()
        self.attention = map_attention(attention, width)

    def forward(self, x: Tensor) -> Tensor:
        maps = torch.cat([conv(x) for conv in self.filters], dim=1)
        pooled: Tensor = self.pool(torch.relu(self.norm(maps)))
        weighed: Tensor = self.attention(pooled)
        return weighed


class SmallCNN(MapBranch):
    """Stages of parallel filters of several sizes, each followed by pooling.

    Daniyal et al. (2024) ask for "several convolutional layers with variable filter sizes and
    pooling techniques" and give no sizes. Each stage here convolves with every size in its list at
    once (as in the Inception module, Szegedy et al. 2015) and pools by 2 unless told not to; the
    last map is averaged and maximised over space, and both are kept.

    Args:
        size: height and width of the input, in pixels.
        widths: channels of each stage.
        kernels: the odd filter sizes of each stage.
        pools: ``max`` or ``avg``, which halve the resolution, or ``none``, for each stage.
        attention: to ``channel``, ``spatial`` places or ``both`` (Woo et al. 2018), after each
            stage; or ``none``.
        dropout: share of whole maps dropped after the last stage.

    Shape:
        ``[B, 1, size, size]`` → ``[B, 2 * widths[-1]]``.

    Attributes:
        out_features: width of the output.

    Raises:
        ValueError: unknown pooling or attention, the lists differ in length, a filter size is even,
            a stage has fewer channels than filter sizes, or the input is too small to be halved
            that often.

    Example:
        >>> SmallCNN(48, widths=[6, 8], kernels=[[3, 5], [3]], pools=["max", "avg"]).out_features
        16
    """

    def __init__(
        self,
        size: int,
        *,
        widths: Widths = (32, 64, 128, 192),
        kernels: Sequence[Sequence[int]] = ((3, 5, 7), (3, 5), (3, 5), (3,)),
        pools: Annotated[Sequence[Literal["max", "avg", "none"]], MinLen(1)] = (
            "max",
            "max",
            "avg",
            "avg",
        ),
        attention: MapAttention = "none",
        dropout: ShareBelowOne = 0.0,
    ) -> None:
        if not widths or not len(widths) == len(kernels) == len(pools):
            raise ValueError(
                "widths, kernels and pools need one entry a stage, but have "
                f"{len(widths)}, {len(kernels)} and {len(pools)}"
            )
        if unknown := [pool for pool in pools if pool not in _POOLS]:
            raise ValueError(f"unknown pooling {unknown[0]!r}; there are {', '.join(_POOLS)}")
        halvings = sum(pool != "none" for pool in pools)
        if size < 2**halvings:
            raise ValueError(f"{size} pixels can't be halved by {halvings} stages")
        for width, sizes in zip(widths, kernels, strict=True):
            if not sizes or any(k < 1 or k % 2 == 0 for k in sizes):
                raise ValueError(f"filter sizes must be odd and positive, not {list(sizes)}")
            if width < len(sizes):
                raise ValueError(f"{width} channels can't be shared by filters {list(sizes)}")
        super().__init__(widths[-1], pool="both", dropout=dropout)
        channels = [1, *widths[:-1]]
        self.stages = nn.Sequential(
            *(
                _MultiScaleStage(*stage, attention)
                for stage in zip(channels, widths, kernels, pools, strict=True)
            )
        )

    def maps(self, x: Tensor) -> Tensor:
        maps: Tensor = self.stages(x)
        return maps
