"""Two views of a face, and by how much a network answers them differently."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from fer.data.augmentation.batch import resampled


class Consistency:
    """Asks for the same answer to a face that is cut out a little differently.

    Consistency regularisation (Sajjadi et al. 2016): each face is seen twice in a step, as it
    comes and zoomed and shifted anew, and what the loss of both is raised by is the divergence
    of the two answers, KL in both directions, halved. A detector's boxes sit differently around
    each face than the annotators' crops do, and this is what a network learns not to mind.

    Args:
        weight: of the divergence beside the loss, at least 0; 0 leaves the second view as more
            augmentation.
        zoom: largest relative change of scale either way, of the second view against the first.
        shift: largest shift either way along each axis, as a share of the side.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, *, weight: float = 1.0, zoom: float = 0.3, shift: float = 0.1) -> None:
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
        network: Callable[[Tensor, Tensor | None], Tensor],
        loss: Callable[[Tensor], Tensor],
        images: Tensor,
        beside: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Return what is to be made small, a scalar, and the logits of the first views.

        Args:
            network: from faces and what is beside them to logits ``[B, C]``.
            loss: from logits ``[B, C]`` of these faces to a scalar.
            images: ``[B, 1, H, W]``.
            beside: metadata ``[B, columns]``, if the network reads them.
        """
        both = torch.cat([images, self.view(images)])
        logits = network(both, None if beside is None else torch.cat([beside, beside])).float()
        first, second = logits.chunk(2)
        fit = (loss(first) + loss(second)) / 2
        return fit + self.weight * self.divergence(first, second), first

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the mean divergence of the answers to two views of each face, a scalar.

        Args:
            first: logits ``[B, C]``.
            second: those of the other views, ``[B, C]``.
        """
        ours, theirs = first.log_softmax(dim=1), second.log_softmax(dim=1)
        both = F.kl_div(ours, theirs, log_target=True, reduction="batchmean")
        both = both + F.kl_div(theirs, ours, log_target=True, reduction="batchmean")
        return both / 2
