"""From grey values to what a network reads; part of the network, so it travels with the weights."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from fer.core.ranges import PictureSide, PositiveFloat


class Preprocessing(nn.Module):
    """Scale grey values 0–255 to 0–1, then optionally centre them, crop the face and enlarge it.

    Cropping is here and not in the augmentation, since a network that was trained on crops has to
    be given the centre wherever it is used, its exported graph included.

    Args:
        mean: subtracted after scaling.
        std: divided by after that.
        crop: pixels a side that are read of the face: while training anywhere, drawn for each face
            by itself from the global generator of the faces' device (Krizhevsky et al. 2012), and
            the centre in use. None reads the whole.
        resize: pixels a side that the face, or its crop, is scaled to, bilinearly; None leaves it.

    Shape:
        uint8 or float ``[B, 1, H, W]`` in 0–255 → float ``[B, 1, H, W]``, or of the side that
        :meth:`output_size` says. The frames of a clip take the place of the one channel.

    Raises:
        ValueError: ``std``, ``crop`` or ``resize`` is not positive.

    Example:
        >>> Preprocessing()(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)).max().item()
        1.0
        >>> Preprocessing(crop=44).eval()(torch.zeros(1, 1, 48, 48)).shape
        torch.Size([1, 1, 44, 44])
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        *,
        mean: float = 0.0,
        std: PositiveFloat = 1.0,
        crop: Annotated[int, Ge(8)] | None = None,
        resize: PictureSide | None = None,
    ) -> None:
        super().__init__()
        if std <= 0:
            raise ValueError(f"std must be positive, not {std}")
        for name, side in (("crop", crop), ("resize", resize)):
            if side is not None and side < 1:
                raise ValueError(f"{name} must be positive, not {side}")
        # One multiply and one add for both steps: (x / 255 - mean) / std.
        self.register_buffer("scale", torch.tensor(1.0 / (255.0 * std)))
        self.register_buffer("shift", torch.tensor(-mean / std))
        self.crop = crop
        self.resize = resize

    def output_size(self, size: int) -> int:
        """Return the side of what the network reads, in pixels, of faces of ``size`` pixels.

        Raises:
            ValueError: there are fewer pixels than are to be cropped.
        """
        if self.crop is not None and self.crop > size:
            raise ValueError(f"{self.crop} pixels can't be cropped from faces of {size}")
        return self.resize or self.crop or size

    def forward(self, images: Tensor) -> Tensor:
        if self.crop is not None:
            images = self._random_crop(images) if self.training else self._centre(images)
        x = images.to(self.scale.dtype) * self.scale + self.shift
        if self.resize is not None and x.shape[-1] != self.resize:
            x = F.interpolate(x, (self.resize, self.resize), mode="bilinear", align_corners=False)
        return x

    def _centre(self, images: Tensor) -> Tensor:
        crop = self.crop or 0
        top, left = (images.shape[-2] - crop) // 2, (images.shape[-1] - crop) // 2
        return images[:, :, top : top + crop, left : left + crop]

    def _random_crop(self, images: Tensor) -> Tensor:
        """Cut one place from each face, all of them (and all of its frames) by one look-up."""
        crop, count, device = self.crop or 0, len(images), images.device
        within = torch.arange(crop, device=device)
        rows, columns = (
            torch.randint(side - crop + 1, (count, 1), device=device) + within
            for side in images.shape[-2:]
        )
        faces = torch.arange(count, device=device)[:, None, None]
        moved = images.permute(0, 2, 3, 1)
        return moved[faces, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class Prepared(Preprocessing):
    """No preprocessing: of a network whose faces are made ready before it."""

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def output_size(self, size: int) -> int:
        """Return the size as it is."""
        return size

    def forward(self, images: Tensor) -> Tensor:
        return images
