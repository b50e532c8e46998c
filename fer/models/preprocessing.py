"""From grey values to what a network reads; part of the network, so it travels with the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Preprocessing(nn.Module):
    """Scale grey values 0–255 to 0–1, then optionally centre them.

    Args:
        mean: subtracted after scaling.
        std: divided by after that.

    Shape:
        uint8 or float ``[B, 1, H, W]`` in 0–255 → float ``[B, 1, H, W]``.

    Raises:
        ValueError: ``std`` is not positive.

    Example:
        >>> Preprocessing()(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)).max().item()
        1.0
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, *, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__()
        if std <= 0:
            raise ValueError(f"std must be positive, not {std}")
        # One multiply and one add for both steps: (x / 255 - mean) / std.
        self.register_buffer("scale", torch.tensor(1.0 / (255.0 * std)))
        self.register_buffer("shift", torch.tensor(-mean / std))

    def forward(self, images: Tensor) -> Tensor:
        return images.to(self.scale.dtype) * self.scale + self.shift
