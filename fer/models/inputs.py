"""What a network is asked about: images, and what is known beside them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class ModelInput(NamedTuple):
    """A batch for a network.

    Attributes:
        images: uint8 or float ``[B, 1, H, W]`` in 0–255; of clips ``[B, 1, T, H, W]``.
        metadata: float32 ``[B, columns]`` as :func:`fer.core.metadata.encode` gives it, for
            networks that read it; None where nothing is known.
        lengths: int64 ``[B]``, how many frames of each clip are real; None where all are.
    """

    images: Tensor
    metadata: Tensor | None = None
    lengths: Tensor | None = None

    def logits_of(self, network: nn.Module) -> Tensor:
        """Return the logits ``[B, C]`` of a network, which is given only what there is."""
        beside = {"metadata": self.metadata, "lengths": self.lengths}
        given = {name: tensor for name, tensor in beside.items() if tensor is not None}
        logits: Tensor = network(self.images, **given)
        return logits
