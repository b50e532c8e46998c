"""The branch that reads a face as a sequence: a view makes the steps, an LSTM reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from fer.core.ranges import PositiveInt, ShareBelowOne
from fer.models.branch import Branch
from fer.models.build import build
from fer.models.views import View

Pooling = Literal["last", "mean", "max", "attention"]
_POOLINGS: Final = ("last", "mean", "max", "attention")


class StepAttention(nn.Module):
    """A mean over steps, weighted by how much each has to say: additive attention.

    ``e_t = v · tanh(W h_t + b)``, weights ``a = softmax(e)``, output ``sum(a_t h_t)``: the scores
    of Bahdanau et al. (2015), with a learned ``v`` in place of a decoder's state, since there is
    one question to each sequence (Zhou et al. 2016).

    Args:
        features: width of a step.

    Shape:
        ``[B, T, features]`` → ``[B, features]``; of steps of which only some are real, bool
        ``[B, T]``, those alone are weighed.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, features)
        self.score = nn.Linear(features, 1, bias=False)

    def weights(self, steps: Tensor, real: Tensor | None = None) -> Tensor:
        """Return ``[B, T]``, which sum to 1 over the steps."""
        scores: Tensor = self.score(self.hidden(steps).tanh()).squeeze(2)
        if real is not None:
            scores = torch.where(real, scores, -torch.inf)
        return scores.softmax(dim=1)

    def forward(self, steps: Tensor, real: Tensor | None = None) -> Tensor:
        weights = self.weights(steps, real).unsqueeze(2)
        return (weights * steps).sum(dim=1)


def check_sequence(units: int, depth: int, pooling: str) -> None:
    """Hold that an LSTM has units and layers, and a pooling that there is.

    Raises:
        ValueError: it has not.
    """
    if pooling not in _POOLINGS:
        raise ValueError(f"unknown pooling {pooling!r}; there are {', '.join(_POOLINGS)}")
    if units < 1 or depth < 1:
        raise ValueError(f"units and depth must be at least 1, not {units} and {depth}")


class SequenceBranch(Branch):
    """A view of the face as a sequence, read by an LSTM (Hochreiter & Schmidhuber 1997).

    Daniyal et al. (2024) treat "the picture pixel sequences as a time series"; which sequence is
    left open there and is the view's choice here.

    Args:
        size: height and width of the input, in pixels, or in places of a feature map.
        channels: of the input: 1 of a face, and as many as a feature map has.
        view: spec of a :class:`~fer.models.views.View`.
        units: hidden units a layer and direction.
        depth: layers.
        bidirectional: read the sequence from both ends.
        dropout: dropout between layers, and of whole units behind the last one: the same at every
            step, pooled or not.
        pooling: how the steps become one vector: ``last`` (the final state of each direction),
            ``mean`` or ``max`` over the steps, or ``attention``, a mean that weighs them.

    Shape:
        ``[B, channels, size, size]`` → ``[B, units * (2 if bidirectional else 1)]``.

    Attributes:
        out_features: width of the output.

    Raises:
        ValueError: unknown pooling, or units or depth below 1.
    """

    def __init__(
        self,
        size: int,
        *,
        view: Mapping[str, Any],
        channels: int = 1,
        units: PositiveInt = 64,
        depth: PositiveInt = 2,
        bidirectional: bool = True,
        dropout: ShareBelowOne = 0.0,
        pooling: Pooling = "last",
    ) -> None:
        super().__init__()
        check_sequence(units, depth, pooling)
        # A view of faces alone need not know of channels.
        several = {"channels": channels} if channels != 1 else {}
        self.view = build(view, size, expects=View, **several)
        self.lstm = nn.LSTM(
            self.view.features,
            units,
            num_layers=depth,
            batch_first=True,
            bidirectional=bidirectional,
            # torch warns when there is no "between layers" to drop.
            dropout=dropout if depth > 1 else 0.0,
        )
        self.dropout = nn.Dropout1d(dropout)
        self.pooling = pooling
        self.units = units
        self.token_features = self.out_features = units * (2 if bidirectional else 1)
        self.attention = StepAttention(self.out_features) if pooling == "attention" else None

    def tokens(self, x: Tensor) -> Tensor:
        units: Tensor = self.dropout(self.lstm(self.view(x))[0].transpose(1, 2))
        return units.transpose(1, 2)

    def pool(self, tokens: Tensor) -> Tensor:
        if self.attention is not None:
            attended: Tensor = self.attention(tokens)
            return attended
        if self.pooling == "mean":
            return tokens.mean(dim=1)
        if self.pooling == "max":
            return tokens.amax(dim=1)
        # One direction ends at the last step, the other at the first.
        return torch.cat([tokens[:, -1, : self.units], tokens[:, 0, self.units :]], dim=1)
