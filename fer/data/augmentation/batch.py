"""Random changes of training faces: drawn for each face and epoch, made batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le, Len
from torch import Tensor

from fer.core.ranges import Share, ShareBelowOne
from fer.data.augmentation.transforms import FaceTransforms

_Numbers = npt.NDArray[np.float32]

#: What erased rectangles are filled with.
ERASED_GREY: Final = 128
#: Least and most width of an erased rectangle in relation to its height.
ERASED_RATIO: Final = (0.3, 3.3)


class Augmentation:
    """What may happen to a training face.

    First the composed ``transforms``, face by face. Then, for whole batches on the device where
    they are: rotation, zoom and shift together, flip, contrast and brightness, and an erased
    rectangle (Zhong et al. 2020).

    Args:
        rotation: largest angle, in degrees either way.
        zoom: largest relative change of scale either way; 0.1 means 0.9 to 1.1.
        shift: largest shift either way along each axis, as a share of the side.
        flip: probability of a horizontal flip.
        brightness: most that is added to grey values either way, as a share of their range.
        contrast: largest relative change of grey values either way.
        erase: probability that a rectangle is erased.
        erase_area: smallest and largest share of the picture in it.
        transforms: of albumentations, see
            :class:`~fer.data.augmentation.transforms.FaceTransforms`.
    """

    def __init__(
        self,
        *,
        rotation: Annotated[float, Ge(0), Le(180)] = 0.0,
        zoom: ShareBelowOne = 0.0,
        shift: ShareBelowOne = 0.0,
        flip: Share = 0.0,
        brightness: ShareBelowOne = 0.0,
        contrast: ShareBelowOne = 0.0,
        erase: Share = 0.0,
        erase_area: Annotated[Sequence[Annotated[float, Gt(0), Le(0.3)]], Len(2, 2)] = (0.02, 0.2),
        transforms: Sequence[Any] | None = None,
    ) -> None:
        if not 0 <= rotation <= 180:
            raise ValueError(f"rotation must be 0 to 180 degrees, not {rotation}")
        for name, value in (
            ("zoom", zoom), ("shift", shift), ("brightness", brightness), ("contrast", contrast),
        ):  # fmt: skip
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {value}")
        for name, value in (("flip", flip), ("erase", erase)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be a probability, not {value}")
        # Above 0.3 the longest rectangles would not fit into the picture.
        if len(erase_area) != 2 or not 0 < erase_area[0] <= erase_area[1] <= 0.3:
            raise ValueError(
                "erase_area must be two rising shares above 0 and at most 0.3, not "
                f"{list(erase_area)}"
            )
        self.rotation = rotation
        self.zoom = zoom
        self.shift = shift
        self.flip = flip
        self.brightness = brightness
        self.contrast = contrast
        self.erase = erase
        self.erase_area = (erase_area[0], erase_area[1])
        self.transforms = FaceTransforms(transforms) if transforms else None

    @property
    def changes_batches(self) -> bool:
        """Whether anything but the transforms of single faces is on."""
        return any(
            (
                self.rotation, self.zoom, self.shift, self.flip,
                self.brightness, self.contrast, self.erase,
            )
        )  # fmt: skip

    @property
    def is_identity(self) -> bool:
        """Whether faces come out as they went in."""
        return not self.changes_batches and self.transforms is None


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
    """Return what happens to ``n`` faces of ``size`` pixels, each drawn for itself."""

    def uniform(reach: float, *shape: int) -> npt.NDArray[np.float64]:
        return rng.uniform(-reach, reach, (n, *shape))

    # Whole pixels, cut off towards zero.
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
    ratio = rng.uniform(*ERASED_RATIO, n)
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

    ``images`` are uint8 ``[B, C, H, W]``, square, on any device; all channels change alike. The
    result has the same shape, dtype and device.
    """

    def tensor(values: _Numbers) -> Tensor:
        return torch.from_numpy(values).to(images.device, non_blocking=True)

    warped = resampled(images, tensor(_inverse(draws, images.shape[-1]))).round_()
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

    ``images`` are ``[B, C, H, W]``, the result is float32 of this shape; ``inverse`` maps places of
    the result to those of the images, float32 ``[B, 2, 3]`` in units of half a side.
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
