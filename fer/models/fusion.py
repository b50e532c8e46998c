"""Fusion heads: join what the branches saw into one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from fer.core.ranges import PositiveInt, ShareBelowOne


class Fusion(nn.Module):
    """Joins the branches: a list of ``[B, in_features[i]]`` → ``[B, out_features]``.

    Args:
        in_features: the width of each branch.

    Attributes:
        out_features: width of the output, set by the subclass.
        reads_tokens: whether it gets the branches' tokens ``[B, Ti, in_features[i]]``, before
            pooling, in place of their vectors.

    Raises:
        ValueError: fewer than two branches.
    """

    out_features: int
    reads_tokens: ClassVar[bool] = False

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


class Sum(Fusion):
    """Project each branch to one width and add: additive pooling.

    Args:
        in_features: the width of each branch.
        width: of the projections and the output.

    Shape:
        list of ``[B, Di]`` → ``[B, width]``.
    """

    def __init__(self, in_features: Sequence[int], *, width: PositiveInt = 256) -> None:
        super().__init__(in_features)
        self.project = nn.ModuleList(nn.Linear(n, width) for n in self.in_features)
        self.out_features = width

    def forward(self, branches: list[Tensor]) -> Tensor:
        projected = [layer(x) for layer, x in zip(self.project, branches, strict=True)]
        return torch.stack(projected).sum(dim=0)


class Gated(Fusion):
    """Gated multimodal unit (Arevalo et al. 2017): a gate says how much of each branch counts.

    ``h_i = tanh(W_i x_i)``, ``z_i = sigmoid(V_i [x_1 … x_n])``, output ``sum(z_i * h_i)``. With two
    branches the second gate is one minus the first, as in the paper's bimodal form.

    Args:
        in_features: the width of each branch.
        width: of the output.

    Shape:
        list of ``[B, Di]`` → ``[B, width]``.
    """

    def __init__(self, in_features: Sequence[int], *, width: PositiveInt = 256) -> None:
        super().__init__(in_features)
        self.project = nn.ModuleList(nn.Linear(n, width) for n in self.in_features)
        gates = 1 if len(self.in_features) == 2 else len(self.in_features)
        self.gates = nn.Linear(sum(self.in_features), gates * width)
        self.out_features = width

    def forward(self, branches: list[Tensor]) -> Tensor:
        hidden = torch.stack(
            [layer(x).tanh() for layer, x in zip(self.project, branches, strict=True)]
        )
        gates = self.gates(torch.cat(branches, dim=1)).sigmoid()
        gates = gates.unflatten(1, (-1, self.out_features)).transpose(0, 1)
        if len(branches) == 2:
            gates = torch.cat([gates, 1 - gates])
        joined: Tensor = (gates * hidden).sum(dim=0)
        return joined


class Attention(Fusion):
    """Self-attention over the tokens of all branches (Vaswani et al. 2017), read by a class token.

    Tokens are projected to one width and marked by a learned vector of their branch; a learned
    class token attends to all of them.

    Args:
        in_features: the width of each branch's tokens.
        width: of the projected tokens and the output; divisible by ``heads``.
        heads: of the attention.
        dropout: within the attention.

    Shape:
        list of ``[B, Ti, Di]`` → ``[B, width]``.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    reads_tokens = True

    def __init__(
        self,
        in_features: Sequence[int],
        *,
        width: PositiveInt = 128,
        heads: PositiveInt = 4,
        dropout: ShareBelowOne = 0.0,
    ) -> None:
        super().__init__(in_features)
        if width % heads:
            raise ValueError(f"{heads} heads can't share a width of {width}")
        self.project = nn.ModuleList(nn.Linear(n, width) for n in self.in_features)
        self.origin = nn.Parameter(torch.randn(len(self.in_features), width) * 0.02)
        self.query = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.out_features = width

    def forward(self, branches: list[Tensor]) -> Tensor:
        marked = [
            layer(tokens) + origin
            for layer, tokens, origin in zip(self.project, branches, self.origin, strict=True)
        ]
        tokens = self.norm(torch.cat(marked, dim=1))
        query = self.query.expand(tokens.shape[0], -1, -1)
        read, _ = self.attention(query, tokens, tokens, need_weights=False)
        summary: Tensor = read.squeeze(1)
        return summary


class Bilinear(Fusion):
    """Low-rank bilinear pooling (Kim et al. 2017, "Hadamard product"): projections multiplied.

    Args:
        in_features: the width of each branch.
        rank: width of the product.
        width: of the output.

    Shape:
        list of ``[B, Di]`` → ``[B, width]``.
    """

    def __init__(
        self, in_features: Sequence[int], *, rank: PositiveInt = 256, width: PositiveInt = 256
    ) -> None:
        super().__init__(in_features)
        self.project = nn.ModuleList(nn.Linear(n, rank) for n in self.in_features)
        self.read = nn.Linear(rank, width)
        self.out_features = width

    def forward(self, branches: list[Tensor]) -> Tensor:
        projected = [layer(x).tanh() for layer, x in zip(self.project, branches, strict=True)]
        joined: Tensor = self.read(torch.stack(projected).prod(dim=0))
        return joined
