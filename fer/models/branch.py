"""What every branch is: tokens first, then one vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final, Literal, cast

import torch
from torch import Tensor, nn

from fer.models.build import BuildError

#: How the places of a map become one vector.
Pool = Literal["mean", "max", "both"]
_POOLS: Final = ("mean", "max", "both")


class Branch(nn.Module, ABC):
    """Reads a face: ``[B, 1, size, size]`` → ``[B, out_features]``.

    It does so in two steps, since some fusion heads look at what comes before pooling: *tokens*
    (places of a feature map, steps of a sequence) and their pooling to one vector.

    Attributes:
        token_features: width of a token.
        out_features: width of the pooled vector.
    """

    token_features: int
    out_features: int

    @abstractmethod
    def tokens(self, x: Tensor) -> Tensor:
        """Return ``[B, T, token_features]``."""

    @abstractmethod
    def pool(self, tokens: Tensor) -> Tensor:
        """Return ``[B, out_features]`` of ``[B, T, token_features]``."""

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.tokens(x))


@torch.no_grad()
def map_shape(backbone: nn.Module, size: int, reader: str) -> tuple[int, int, int]:
    """Return channels, height and width of a backbone's ``feature_map`` of a face.

    Args:
        backbone: its mode is left as training mode.
        size: height and width of the face, in pixels.
        reader: what reads the map, for the message.

    Raises:
        BuildError: it keeps no map.
    """
    if not hasattr(backbone, "feature_map"):
        raise BuildError(
            f"{reader} can't read {type(backbone).__name__}, which keeps no feature map: choose "
            "backbone=small, shallow, vgg, resnet or a convolutional network of timm"
        )
    backbone.eval()
    try:
        maps = cast("Any", backbone).feature_map(torch.zeros(1, 1, size, size))
    except ValueError as error:
        raise BuildError(f"{error}: choose a convolutional one for {reader}") from error
    finally:
        backbone.train()
    channels, height, width = maps.shape[1:]
    return int(channels), int(height), int(width)


class MapBranch(Branch):
    """A branch whose tokens are the places of a feature map, row by row.

    Args:
        channels: of the map.
        pool: how places become one vector: their ``mean``, their ``max``, or ``both``, one after
            the other.
        dropout: share of whole channels dropped from the map.

    Raises:
        ValueError: unknown pooling.
    """

    def __init__(self, channels: int, *, pool: Pool = "mean", dropout: float = 0.0) -> None:
        super().__init__()
        if pool not in _POOLS:
            raise ValueError(f"unknown pooling {pool!r} of the map; there are {', '.join(_POOLS)}")
        self.token_features = channels
        self.out_features = channels * (2 if pool == "both" else 1)
        self.pooling = pool
        self.dropout = nn.Dropout2d(dropout)

    @abstractmethod
    def maps(self, x: Tensor) -> Tensor:
        """Return ``[B, channels, h, w]``, without dropout."""

    def feature_map(self, x: Tensor) -> Tensor:
        """Return ``[B, token_features, h, w]``."""
        places: Tensor = self.dropout(self.maps(x))
        return places

    def tokens(self, x: Tensor) -> Tensor:
        return self.feature_map(x).flatten(2).transpose(1, 2)

    def pool(self, tokens: Tensor) -> Tensor:
        if self.pooling == "mean":
            return tokens.mean(dim=1)
        highest = tokens.amax(dim=1)
        return highest if self.pooling == "max" else torch.cat([tokens.mean(dim=1), highest], dim=1)
