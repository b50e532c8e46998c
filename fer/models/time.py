"""An LSTM over the frames of clips of different lengths."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from fer.core.ranges import PositiveInt, ShareBelowOne
from fer.models.sequence import Pooling, StepAttention, check_sequence


def is_real(lengths: Tensor, steps: int) -> Tensor:
    """Return which of ``steps`` steps are real, bool ``[B, steps]`` of int64 ``[B]``.

    Example:
        >>> is_real(torch.tensor([1, 3]), 3).tolist()
        [[True, False, False], [True, True, True]]
    """
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


class TimeLSTM(nn.Module):
    """An LSTM (Hochreiter & Schmidhuber 1997) whose answer does not depend on padding.

    Backwards, each clip is read from its own last step: its real steps are turned round, and the
    padding stays where it is. So the exported graph takes any number of steps in both directions.

    Args:
        features: width of a step.
        units: hidden units a layer and direction.
        depth: layers.
        bidirectional: read the steps from both ends.
        dropout: dropout between layers (none after the last) and on the output.
        pooling: how the steps become one vector: ``last`` (the state after the last real step of
            each direction), ``mean`` or ``max`` over the real steps, or ``attention``, a mean that
            weighs them.

    Shape:
        steps ``[B, T, features]`` and lengths int64 ``[B]`` → ``[B, out_features]``.

    Attributes:
        out_features: width of the output.

    Raises:
        ValueError: unknown pooling, or units or depth below 1.
    """

    def __init__(
        self,
        features: int,
        *,
        units: PositiveInt = 64,
        depth: PositiveInt = 1,
        bidirectional: bool = False,
        dropout: ShareBelowOne = 0.0,
        pooling: Pooling = "last",
    ) -> None:
        super().__init__()
        check_sequence(units, depth, pooling)
        directions = 2 if bidirectional else 1
        self.out_features = units * directions
        self.units = units
        self.pooling = pooling
        widths = [features, *[self.out_features] * (depth - 1)]
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.LSTM(width, units, batch_first=True) for _ in range(directions))
            for width in widths
        )
        self.dropout = nn.Dropout(dropout)
        self.attention = StepAttention(self.out_features) if pooling == "attention" else None

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            if number:
                steps = self.dropout(steps)
            steps = _both_ways(cast("nn.ModuleList", layer), steps, lengths)
        pooled: Tensor = self.dropout(self._pool(steps, lengths))
        return pooled

    def _pool(self, steps: Tensor, lengths: Tensor) -> Tensor:
        if self.pooling == "last":
            place = (lengths - 1).view(-1, 1, 1).expand(-1, 1, self.units)
            # One direction ends at the last real step, the other at the first.
            forwards = steps[:, :, : self.units].gather(1, place).squeeze(1)
            return torch.cat([forwards, steps[:, 0, self.units :]], dim=1)
        real = is_real(lengths, steps.shape[1])
        if self.attention is not None:
            attended: Tensor = self.attention(steps, real)
            return attended
        if self.pooling == "mean":
            summed = torch.where(real.unsqueeze(2), steps, 0.0).sum(dim=1)
            return summed / lengths.unsqueeze(1)
        return torch.where(real.unsqueeze(2), steps, -torch.inf).amax(dim=1)


def _both_ways(layer: nn.ModuleList, steps: Tensor, lengths: Tensor) -> Tensor:
    """Return what one layer makes of the steps, ``[B, T, units]`` or twice that."""
    seen = [layer[0](steps)[0]]
    if len(layer) == 2:
        seen.append(_turned(layer[1](_turned(steps, lengths))[0], lengths))
    return torch.cat(seen, dim=2)


def _turned(steps: Tensor, lengths: Tensor) -> Tensor:
    """Turn the real steps of each clip round."""
    place = torch.arange(steps.shape[1], device=steps.device).unsqueeze(0)
    place = torch.where(place < lengths.unsqueeze(1), lengths.unsqueeze(1) - 1 - place, place)
    return steps.gather(1, place.unsqueeze(2).expand(-1, -1, steps.shape[2]))
