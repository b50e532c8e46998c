"""What a network costs: how many numbers it has learnt, and multiply-adds a face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a model.

    Attributes:
        parameters: the numbers that it has learnt.
        multiply_adds: of one face, or one clip, in its convolutions and matrix products.
    """

    parameters: int
    multiply_adds: int


def cost_of(network: nn.Module, size: int, frames: int | None = None) -> Cost:
    """Count the parameters of a network and the multiply-adds of one forward pass.

    Counted are convolutions, dense layers, LSTMs, attention and other matrix products, by the
    shapes that really occur; additions, normalisations and activations are not, as is usual.

    Args:
        network: uint8 ``[B, 1, size, size]`` → logits ``[B, C]``, on the CPU; one of clips reads
            ``[B, 1, frames, size, size]``.
        size: height and width of the faces, in pixels.
        frames: of a clip; None for a network of single faces.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    was_training, fused = network.training, torch.backends.mkldnn.enabled
    network.eval()
    counter = FlopCounterMode(display=False)
    try:
        # A fused LSTM, and attention fused for inference, hide their products from the counter.
        # PyTorch's layers fuse where there are no gradients.
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
        with sdpa_kernel(SDPBackend.MATH), torch.enable_grad(), counter:
            steps = () if frames is None else (frames,)
            network(torch.zeros(1, 1, *steps, size, size, dtype=torch.uint8))
    finally:
        torch.backends.mkldnn.enabled = fused
        network.train(was_training)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    # A multiply-add counts as two operations there.
    return Cost(parameters, counter.get_total_flops() // 2)
