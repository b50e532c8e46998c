"""The branch for what is known beside the picture: age, gender, context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fer.core.ranges import PositiveInt, ShareBelowOne
from fer.models.branch import Branch


class MetadataBranch(Branch):
    """One dense layer over non-sequential features (Daniyal et al. 2024, "metadata integration").

    Whatever is missing counts as unknown, and while training whole rows are made unknown at random
    (as modalities are dropped by Neverova et al. 2016), so that the network works without.

    Args:
        columns: the description of each column, see :mod:`fer.core.metadata`.
        units: width of the layer.
        drop: probability that a face's metadata are hidden from a training step.

    Shape:
        float32 ``[B, len(columns)]`` as :func:`fer.core.metadata.encode` gives it → ``[B, units]``.

    Raises:
        ValueError: there are no columns, or ``drop`` is no probability below 1.
    """

    def __init__(
        self,
        *,
        columns: Mapping[str, Mapping[str, Any]],
        units: PositiveInt = 32,
        drop: ShareBelowOne = 0.5,
    ) -> None:
        if not columns:
            raise ValueError("the metadata branch has no columns to read")
        if not 0 <= drop < 1:
            raise ValueError(f"drop must be at least 0 and below 1, not {drop}")
        super().__init__()
        self.columns = tuple(columns)
        self.drop = drop
        # A number becomes two inputs, its value and whether it is known, a word one for each value.
        self._sizes = [len(c["values"]) if "values" in c else 0 for c in columns.values()]
        mean = [float(c.get("mean", 0.0)) for c in columns.values()]
        std = [float(c.get("std", 1.0)) for c in columns.values()]
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))
        self.layer = nn.Linear(sum(size or 2 for size in self._sizes), units)
        self.token_features = self.out_features = units

    def unknown(self, images: Tensor) -> Tensor:
        """Return ``[B, len(columns)]`` that says nothing about any of the B images."""
        return images.new_full((len(images), len(self.columns)), torch.nan, dtype=torch.float32)

    def tokens(self, x: Tensor) -> Tensor:
        if self.training and self.drop > 0:
            hidden = torch.rand(len(x), 1, device=x.device) < self.drop
            x = x.masked_fill(hidden, torch.nan)
        standard = (x - self.mean) / self.std  # type: ignore[operator]
        inputs = []
        for place, size in enumerate(self._sizes):
            if size:
                values = torch.arange(size, device=x.device)
                inputs.append((x[:, place, None] == values).to(self.layer.weight.dtype))
            else:
                known = ~torch.isnan(x[:, place])
                value = torch.where(known, standard[:, place], 0.0)
                inputs.append(torch.stack([value, known.to(value.dtype)], dim=1))
        joined: Tensor = self.layer(torch.cat(inputs, dim=1)).relu()
        return joined.unsqueeze(1)

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens.squeeze(1)
