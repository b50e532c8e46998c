"""Consistency regularisation: two views of a face, and the divergence of their answers."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from fer.core.ranges import NonNegativeFloat, ShareBelowOne
from fer.data.augmentation.batch import resampled
from fer.models import ModelInput


class Consistency:
    """Ask for the same answer to a face that is cut out a little differently.

    Consistency regularisation (Sajjadi et al. 2016): each face is seen twice in a step, as it is
    and zoomed and shifted at random. The loss is the mean over both views plus the divergence of
    the two answers: KL in both directions, halved. A detector crops faces differently than the
    annotators did, and this makes a network robust to it.

    Args:
        weight: of the divergence, at least 0; 0 makes the second view a mere augmentation.
        zoom: largest relative change of scale either way, of the second view against the first.
        shift: largest shift either way along each axis, as a share of the side.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        *,
        weight: NonNegativeFloat = 1.0,
        zoom: ShareBelowOne = 0.3,
        shift: ShareBelowOne = 0.1,
    ) -> None:
        if weight < 0:
            raise ValueError(f"weight must be at least 0, not {weight}")
        for name, value in (("zoom", zoom), ("shift", shift)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {value}")
        self.weight = weight
        self.zoom = zoom
        self.shift = shift

    def view(self, images: Tensor) -> Tensor:
        """Return each face zoomed and shifted, drawn from torch's global generator.

        Args:
            images: ``[B, 1, H, W]`` of any real type, in grey values.

        Returns:
            The same shape and type; the edge is repeated where a face leaves its picture.
        """
        n = len(images)
        # On the CPU, so that every device sees the same faces.
        scale = 1 + self.zoom * (2 * torch.rand(n) - 1)
        # From one edge to the other it is 2.
        shift = 2 * self.shift * (2 * torch.rand(n, 2) - 1)
        inverse = torch.zeros(n, 2, 3)
        inverse[:, 0, 0] = inverse[:, 1, 1] = 1 / scale
        inverse[:, :, 2] = shift
        seen = resampled(images, inverse.to(images.device, non_blocking=True))
        return seen if images.is_floating_point() else seen.round().to(images.dtype)

    def step(
        self,
        answer: Callable[[ModelInput], Tensor],
        loss: Callable[[Tensor], Tensor],
        inputs: ModelInput,
    ) -> tuple[Tensor, Tensor]:
        """Return the loss, a scalar, and the logits of the first views.

        Args:
            answer: from a batch to logits ``[B, C]``.
            loss: from logits ``[B, C]`` of these faces to a scalar.
            inputs: images ``[B, 1, H, W]``, and metadata if the network reads them.
        """
        metadata = inputs.metadata
        doubled = None if metadata is None else torch.cat([metadata, metadata])
        both = ModelInput(torch.cat([inputs.images, self.view(inputs.images)]), doubled)
        first, second = answer(both).float().chunk(2)
        fit = (loss(first) + loss(second)) / 2
        return fit + self.weight * self.divergence(first, second), first

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean divergence of logits ``[B, C]`` for two views of each face, a scalar."""
        ours, theirs = first.log_softmax(dim=1), second.log_softmax(dim=1)
        both = F.kl_div(ours, theirs, log_target=True, reduction="batchmean")
        both = both + F.kl_div(theirs, ours, log_target=True, reduction="batchmean")
        return both / 2
