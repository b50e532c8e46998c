"""Views: ways to read a picture, or a map of its features, as a sequence of steps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fer.core.ranges import PositiveInt


class View(nn.Module):
    """A picture as a sequence: ``[B, channels, size, size]`` → ``[B, steps, features]``.

    A face has one channel, a feature map many: a step of a map holds all channels of its places.

    Args:
        size: height and width of the input, in pixels or places.
        channels: of the input.

    Attributes:
        steps: length of the sequence.
        features: width of one step.
    """

    steps: int
    features: int

    def __init__(self, size: int, *, channels: int = 1) -> None:
        super().__init__()
        self.size = size
        self.channels = channels


class Rows(View):
    """The rows of the picture from top to bottom, as an image scanned line by line.

    Shape:
        ``[B, channels, size, size]`` → ``[B, size, channels * size]``.

    Example:
        >>> import torch
        >>> view = Rows(48)
        >>> view(torch.zeros(2, 1, 48, 48)).shape, view.steps, view.features
        (torch.Size([2, 48, 48]), 48, 48)
    """

    def __init__(self, size: int, *, channels: int = 1) -> None:
        super().__init__(size, channels=channels)
        self.steps = size
        self.features = channels * size

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)


class Columns(Rows):
    """The columns of the picture from left to right.

    Of a feature map, this is the "map to sequence" of Shi et al. (2017, CRNN).

    Shape:
        ``[B, channels, size, size]`` → ``[B, size, channels * size]``.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2).flatten(2)


class Patches(View):
    """Square patches, row by row, as a vision transformer cuts them (Dosovitskiy et al. 2021).

    Args:
        size: height and width of the input, in pixels.
        channels: of the input.
        patch: height and width of a patch, in pixels; divides ``size``.

    Shape:
        ``[B, channels, size, size]`` → ``[B, (size / patch)², channels * patch²]``.

    Raises:
        ValueError: ``patch`` does not divide ``size``.

    Example:
        >>> import torch
        >>> Patches(48, patch=8)(torch.zeros(2, 1, 48, 48)).shape
        torch.Size([2, 36, 64])
    """

    def __init__(self, size: int, *, channels: int = 1, patch: PositiveInt = 8) -> None:
        super().__init__(size, channels=channels)
        if patch < 1 or size % patch:
            fits = [str(n) for n in range(2, size // 2 + 1) if size % n == 0]
            raise ValueError(f"patches of {patch} don't divide {size} pixels; {', '.join(fits)} do")
        self.patch = patch
        self.steps = (size // patch) ** 2
        self.features = channels * patch**2

    def forward(self, x: Tensor) -> Tensor:
        return F.unfold(x, self.patch, stride=self.patch).transpose(1, 2)


class Pixels(View):
    """Every pixel a step, row by row: the paper's "picture pixel sequences" taken literally.

    A 48×48 face has 2,304 steps, which is slow to learn from and to run; ``side`` averages the face
    down first. The places of a feature map are few, and a step of it holds all channels of one.

    Args:
        size: height and width of the input, in pixels.
        channels: of the input.
        side: height and width that the face is averaged down to; divides ``size``. None reads it
            as it is.

    Shape:
        ``[B, channels, size, size]`` → ``[B, side², channels]``.

    Raises:
        ValueError: ``side`` does not divide ``size``.
    """

    def __init__(self, size: int, *, channels: int = 1, side: PositiveInt | None = 24) -> None:
        super().__init__(size, channels=channels)
        side = size if side is None else side
        if side < 1 or size % side:
            raise ValueError(
                f"{size} pixels a side can't be averaged down to {side}; side=null reads them all"
            )
        self.factor = size // side
        self.steps = side**2
        self.features = channels

    def forward(self, x: Tensor) -> Tensor:
        if self.factor > 1:
            x = F.avg_pool2d(x, self.factor)
        return x.flatten(2).transpose(1, 2)
