"""Fusion heads: join what the branches saw into one vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Fusion(nn.Module):
    """Joins the branches: a list of ``[B, in_features[i]]`` → ``[B, out_features]``.

    Args:
        in_features: the width of each branch.

    Attributes:
        out_features: width of the output, set by the subclass.

    Raises:
        ValueError: fewer than two branches.
    """

    out_features: int

    def __init__(self, in_features: Sequence[int]) -> None:
        super().__init__()
        if len(in_features) < 2:
            raise ValueError(
                f"fusion joins two branches or more, but the model has {len(in_features)}"
            )
        self.in_features = tuple(in_features)


class Concat(Fusion):
    """One vector after the other, as in Daniyal et al. (2024).

    Shape:
        list of ``[B, Di]`` → ``[B, sum(Di)]``.

    Example:
        >>> Concat([3, 5])([torch.zeros(2, 3), torch.zeros(2, 5)]).shape
        torch.Size([2, 8])
    """

    def __init__(self, in_features: Sequence[int]) -> None:
        super().__init__(in_features)
        self.out_features = sum(self.in_features)

    def forward(self, branches: list[Tensor]) -> Tensor:
        return torch.cat(branches, dim=1)
