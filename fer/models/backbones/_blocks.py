"""Layers that several backbones share."""

from __future__ import annotations

from typing import Final, Literal

from torch import Tensor, nn

#: Where a backbone attends: to channels, to places, to both one after the other, or nowhere.
MapAttention = Literal["none", "channel", "spatial", "both"]
_ATTENTIONS: Final = ("none", "channel", "spatial", "both")


def map_attention(kind: MapAttention, channels: int) -> nn.Module:
    """Make the part that weighs a map ``[B, channels, h, w]``, which keeps its shape.

    The convolutional block attention module (Woo et al. 2018), or one half of it: the channel half
    is squeeze-and-excitation (Hu et al. 2018) that looks at the maximum over places, too.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in _ATTENTIONS:
        raise ValueError(f"unknown attention {kind!r}; there are {', '.join(_ATTENTIONS)}")
    if kind == "none":
        return nn.Identity()
    # Only here: the import takes a second, and most networks do without.
    from timm.layers.cbam import CbamModule, ChannelAttn, SpatialAttn

    if kind == "spatial":
        return SpatialAttn()
    # A sixteenth, as in the paper, would leave the first stages with hardly a unit.
    units = max(4, channels // 16)
    return (ChannelAttn if kind == "channel" else CbamModule)(channels, rd_channels=units)


class ConvNorm(nn.Module):
    """Convolution with batch normalisation, and ReLU unless told otherwise."""

    def __init__(
        self, channels: int, width: int, kernel: int = 3, *, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.relu(self.norm(self.conv(x)))
        return maps


class Residual(nn.Module):
    """Two 3×3 convolutions and a way past them (He et al. 2016).

    Attention weighs what is added to the way past, as in Woo et al. (2018).
    """

    def __init__(
        self, channels: int, width: int, stride: int, attention: MapAttention = "none"
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(channels, width, stride=stride), ConvNorm(width, width, relu=False)
        )
        if attention != "none":
            self.body.append(map_attention(attention, width))
        changes = stride != 1 or channels != width
        self.past: nn.Module = (
            ConvNorm(channels, width, 1, stride=stride, relu=False) if changes else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.body(x) + self.past(x)
        return joined.relu()
