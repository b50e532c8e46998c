"""Views: ways to read a picture as a sequence of steps."""

from __future__ import annotations

from torch import Tensor, nn


class View(nn.Module):
    """A picture as a sequence: ``[B, 1, size, size]`` → ``[B, steps, features]``.

    Args:
        size: height and width of the input, in pixels.

    Attributes:
        steps: length of the sequence.
        features: width of one step.
    """

    steps: int
    features: int

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


class Rows(View):
    """The rows of the picture from top to bottom, as an image scanned line by line.

    Shape:
        ``[B, 1, size, size]`` → ``[B, size, size]``.

    Example:
        >>> import torch
        >>> view = Rows(48)
        >>> view(torch.zeros(2, 1, 48, 48)).shape, view.steps, view.features
        (torch.Size([2, 48, 48]), 48, 48)
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.steps = size
        self.features = size

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze(1)
