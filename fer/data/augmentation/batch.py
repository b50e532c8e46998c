"""The augmentation of a whole batch on the device where the faces live, each with its own draw."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from fer.data.augmentation.parameters import ERASED_GREY, Augmentation

_Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Draws:
    """What happens to each of N faces, one row a face.

    Attributes:
        angle: float32 ``[N]``, degrees, anticlockwise as one sees it.
        scale: float32 ``[N]``; above 1 the face grows.
        shift: float32 ``[N, 2]``, whole pixels to the right and down.
        flip: float32 ``[N]``, 1 for a mirrored face, else 0.
        contrast: float32 ``[N]``, what grey values are multiplied by.
        brightness: float32 ``[N]``, what is then added to them, in grey values.
        box: float32 ``[N, 4]``, left, top, right and bottom of the erased rectangle, in pixels, the
            last two exclusive; empty where nothing is erased.
    """

    angle: _Numbers
    scale: _Numbers
    shift: _Numbers
    flip: _Numbers
    contrast: _Numbers
    brightness: _Numbers
    box: _Numbers

    def take(self, chosen: npt.NDArray[np.intp]) -> Self:
        """Return the draws of some faces."""
        return type(self)(*(getattr(self, one.name)[chosen] for one in fields(self)))


def draw(augmentation: Augmentation, n: int, size: int, rng: np.random.Generator) -> Draws:
    """Draw for ``n`` faces of ``size`` pixels from the distributions of the albumentations path."""

    def uniform(reach: float, *shape: int) -> npt.NDArray[np.float64]:
        return rng.uniform(-reach, reach, (n, *shape))

    # Whole pixels, cut off towards zero, as albumentations has it.
    shift = np.trunc(uniform(augmentation.shift, 2) * size)
    drawn = (
        uniform(augmentation.rotation),
        1 + uniform(augmentation.zoom),
        shift,
        rng.random(n) < augmentation.flip,
        1 + uniform(augmentation.contrast),
        255 * uniform(augmentation.brightness),
        _boxes(augmentation, n, size, rng),
    )
    return Draws(*(np.asarray(values, dtype=np.float32) for values in drawn))


def _boxes(
    augmentation: Augmentation, n: int, size: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    area = rng.uniform(*augmentation.erase_area, n) * size**2
    ratio = rng.uniform(*augmentation.ERASED_RATIO, n)
    height, width = np.rint(np.sqrt(area / ratio)), np.rint(np.sqrt(area * ratio))
    top = np.floor(rng.random(n) * (size - height + 1))
    left = np.floor(rng.random(n) * (size - width + 1))
    boxes = np.stack([left, top, left + width, top + height], axis=1)
    boxes[rng.random(n) >= augmentation.erase] = 0
    return boxes


def augment(images: Tensor, draws: Draws) -> Tensor:
    """Return changed copies of a batch of faces.

    Rotation, zoom, shift and flip are one bilinear resampling with the edge repeated; then contrast
    and brightness, then the erased rectangle.

    Args:
        images: uint8 ``[B, C, H, W]``, square, on any device; all channels change alike.
        draws: of these faces, B rows.

    Returns:
        uint8 ``[B, C, H, W]`` on the same device.
    """

    def tensor(values: _Numbers) -> Tensor:
        return torch.from_numpy(values).to(images.device, non_blocking=True)

    warped = resampled(images, tensor(_inverse(draws, images.shape[-1])))
    # Grey values are whole numbers between the steps of the albumentations path too.
    warped = warped.round_()
    shape = (-1, 1, 1, 1)
    lit = warped * tensor(draws.contrast).view(shape) + tensor(draws.brightness).view(shape)
    place = torch.arange(images.shape[-1], device=images.device)
    left, top, right, bottom = tensor(draws.box).T[:, :, None]
    columns = (place >= left) & (place < right)
    rows = (place >= top) & (place < bottom)
    erased = (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
    return lit.round_().clamp_(0, 255).masked_fill_(erased, ERASED_GREY).to(torch.uint8)


def resampled(images: Tensor, inverse: Tensor) -> Tensor:
    """Return pictures seen through affine maps, bilinear, the edge repeated.

    Args:
        images: ``[B, C, H, W]``.
        inverse: where each place of the result comes from, float32 ``[B, 2, 3]`` in units of half
            a side.

    Returns:
        float32 of the same shape.
    """
    grid = F.affine_grid(inverse, list(images.shape), align_corners=False)
    # The last row and column in place of padding_mode="border", which Apple's GPUs lack before
    # torch 2.13.
    for axis, side in enumerate((images.shape[-1], images.shape[-2])):
        grid[..., axis].clamp_(1 / side - 1, 1 - 1 / side)
    return F.grid_sample(images.float(), grid, align_corners=False)


def _inverse(draws: Draws, size: int) -> _Numbers:
    """Return where each place of the result comes from: ``[N, 2, 3]`` in units of half a side."""
    angle = np.deg2rad(draws.angle)
    cos, sin = np.cos(angle) / draws.scale, np.sin(angle) / draws.scale
    # Turned and scaled about the middle, then shifted: undone from last to first.
    matrix = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)
    shift = matrix @ (-2 / size * draws.shift[:, :, None])
    matrix[:, :, 0] *= 1 - 2 * draws.flip[:, None]
    return np.ascontiguousarray(np.concatenate([matrix, shift], axis=2), dtype=np.float32)
