"""Layers that several backbones share."""

from __future__ import annotations

from torch import Tensor, nn


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
    """Two 3×3 convolutions and a way past them (He et al. 2016)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(channels, width, stride=stride), ConvNorm(width, width, relu=False)
        )
        changes = stride != 1 or channels != width
        self.past: nn.Module = (
            ConvNorm(channels, width, 1, stride=stride, relu=False) if changes else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.body(x) + self.past(x)
        return joined.relu()
