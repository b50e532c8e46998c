"""A VGG for small faces."""

from __future__ import annotations

from torch import Tensor, nn

from fer.core.ranges import ShareBelowOne, Widths
from fer.models.backbones._blocks import ConvNorm, MapAttention, map_attention
from fer.models.branch import MapBranch


class VGG(MapBranch):
    """Stages of 3×3 convolutions, each followed by max pooling (Simonyan & Zisserman 2015).

    Batch normalisation replaces the original's careful initialisation, and the mean over space its
    large dense layers.

    Args:
        size: height and width of the input, in pixels.
        widths: channels of each stage.
        convs: convolutions of each stage.
        attention: to ``channel``, ``spatial`` places or ``both`` (Woo et al. 2018), after each
            stage; or ``none``.
        dropout: share of whole maps dropped after the last stage.

    Shape:
        ``[B, 1, size, size]`` → ``[B, widths[-1]]``.

    Raises:
        ValueError: the lists differ in length, or the input is too small to be halved that often.
    """

    def __init__(
        self,
        size: int,
        *,
        widths: Widths = (32, 64, 128, 256),
        convs: Widths = (1, 2, 2, 2),
        attention: MapAttention = "none",
        dropout: ShareBelowOne = 0.0,
    ) -> None:
        if not widths or len(widths) != len(convs):
            raise ValueError(
                f"widths and convs need one entry a stage, but have {len(widths)} and {len(convs)}"
            )
        if size < 2 ** len(widths):
            raise ValueError(f"{size} pixels can't be halved by {len(widths)} stages")
        super().__init__(widths[-1], dropout=dropout)
        layers: list[nn.Module] = []
        channels = 1
        for width, count in zip(widths, convs, strict=True):
            for _ in range(count):
                layers.append(ConvNorm(channels, width))
                channels = width
            layers.append(nn.MaxPool2d(2))
            if attention != "none":
                layers.append(map_attention(attention, width))
        self.layers = nn.Sequential(*layers)

    def maps(self, x: Tensor) -> Tensor:
        maps: Tensor = self.layers(x)
        return maps
