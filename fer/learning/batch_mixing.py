"""Mixup and cutmix: pairs of faces mixed within a batch, their targets with them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from fer.core.ranges import NonNegativeFloat, Share
from fer.learning.losses import as_distribution


class BatchMixing:
    """Mix each face of a batch with another one, by mixup or by cutmix.

    Mixup (Zhang et al. 2018) blends the two pictures, cutmix (Yun et al. 2019) pastes a rectangle
    of one into the other; targets are blended by the share of each. The draw depends on the seed
    handed over alone.

    Args:
        mixup: the alpha of mixup's Beta distribution; 0 for none.
        cutmix: the alpha of cutmix's Beta distribution; 0 for none. Where both are on, a batch gets
            one of them with equal chance.
        probability: that a batch is mixed at all.

    Raises:
        ValueError: an alpha is negative or the probability is none.
    """

    def __init__(
        self,
        *,
        mixup: NonNegativeFloat = 0.0,
        cutmix: NonNegativeFloat = 0.0,
        probability: Share = 1.0,
    ) -> None:
        if mixup < 0 or cutmix < 0:
            raise ValueError(f"mixup and cutmix must be at least 0, not {mixup} and {cutmix}")
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must be from 0 to 1, not {probability}")
        self.mixup = mixup
        self.cutmix = cutmix
        self.probability = probability

    @property
    def is_identity(self) -> bool:
        """Whether batches come out as they went in."""
        return self.probability == 0 or self.mixup == self.cutmix == 0

    def __call__(
        self,
        images: Tensor,
        target: Tensor,
        classes: int,
        seed: np.random.SeedSequence | tuple[int, ...],
    ) -> tuple[Tensor, Tensor]:
        """Return mixed images and targets.

        Args:
            images: uint8 or float ``[B, 1, H, W]``.
            target: labels ``[B]`` or distributions ``[B, classes]``.
            classes: number of classes.
            seed: of the draw.

        Returns:
            images of the same shape (float where blended) and distributions ``[B, classes]``.
        """
        draw = np.random.default_rng(seed)
        share = as_distribution(target, classes)
        if self.is_identity or draw.random() >= self.probability:
            return images, share
        pairs = torch.from_numpy(draw.permutation(len(images)))
        other = pairs.to(images.device, non_blocking=True)
        kinds = [k for k, alpha in (("mixup", self.mixup), ("cutmix", self.cutmix)) if alpha > 0]
        if kinds[int(draw.integers(len(kinds)))] == "mixup":
            kept = float(draw.beta(self.mixup, self.mixup))
            images = images.float()
            mixed = kept * images + (1 - kept) * images[other]
        else:
            mixed, kept = _cut(
                images, images[other], float(draw.beta(self.cutmix, self.cutmix)), draw
            )
        return mixed, kept * share + (1 - kept) * share[other]


def _cut(
    images: Tensor, others: Tensor, kept: float, draw: np.random.Generator
) -> tuple[Tensor, float]:
    """Paste one rectangle of the others into the images; return the share really kept."""
    height, width = images.shape[-2:]
    side = math.sqrt(1 - kept)
    cut_h, cut_w = round(height * side), round(width * side)
    # The rectangle's centre may lie anywhere, so parts of it may fall outside, as in the paper.
    y, x = int(draw.integers(height)), int(draw.integers(width))
    top, bottom = max(0, y - cut_h // 2), min(height, y + (cut_h + 1) // 2)
    left, right = max(0, x - cut_w // 2), min(width, x + (cut_w + 1) // 2)
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = others[..., top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
