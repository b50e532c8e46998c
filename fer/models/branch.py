"""What every branch is: tokens first, then one vector."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


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


class MapBranch(Branch):
    """A branch whose tokens are the places of a feature map, pooled by mean, or mean and maximum.

    Args:
        channels: of the map.
        maximum: keep the maximum over places beside the mean.
        dropout: share of whole channels dropped from the map.
    """

    def __init__(self, channels: int, *, maximum: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.token_features = channels
        self.out_features = channels * (2 if maximum else 1)
        self.maximum = maximum
        self.dropout = nn.Dropout2d(dropout)

    @abstractmethod
    def feature_map(self, x: Tensor) -> Tensor:
        """Return ``[B, channels, h, w]``."""

    def tokens(self, x: Tensor) -> Tensor:
        places: Tensor = self.dropout(self.feature_map(x))
        return places.flatten(2).transpose(1, 2)

    def pool(self, tokens: Tensor) -> Tensor:
        mean = tokens.mean(dim=1)
        return torch.cat([mean, tokens.amax(dim=1)], dim=1) if self.maximum else mean
