"""A network tried before there is data: whether its parts fit, and its table."""

from __future__ import annotations

from collections.abc import Iterator

import lightning
import torch
from lightning.pytorch.utilities.model_summary.model_summary import ModelSummary
from torch import Tensor, nn

from fer.learning.module import FerModule
from fer.models import BuildError


def try_forward(module: FerModule) -> None:
    """Pass blank faces, or clips, through the network and freeze parameters that nothing reads.

    Raises:
        BuildError: the parts do not fit, or the logits have another shape.
    """
    was_training = module.training
    module.eval()
    try:
        logits = module(*module.blank(2))
    except RuntimeError as error:
        raise BuildError(str(error).split("\n")[0]) from error
    finally:
        module.train(was_training)
    if logits.shape != (2, len(module.classes)):
        raise BuildError(f"logits have shape {list(logits.shape)}, not [2, {len(module.classes)}]")
    freeze_unread(module.network, logits)


def freeze_unread(network: nn.Module, answers: Tensor) -> None:
    """Freeze the parameters that no answer depends on.

    Such as the last layers of a timm network of which only the map is read. They could not learn,
    and processes that train together would wait for their gradients.

    Args:
        network: that gave the answers.
        answers: with their gradient graph.
    """
    read = set(_leaves(answers))
    for parameter in network.parameters():
        if parameter not in read:
            parameter.requires_grad = False


def _leaves(answers: Tensor) -> Iterator[Tensor]:
    """Yield the parameters that a gradient of the answers would reach."""
    nodes = {answers.grad_fn}
    to_do = [*nodes]
    while to_do:
        node = to_do.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):
            yield node.variable
        new = {following for following, _ in node.next_functions} - nodes
        nodes |= new
        to_do += new


def network_summary(module: FerModule, *, depth: int = 2) -> str:
    """Return Lightning's table of the network's parts, parameters, FLOPs and shapes.

    Shapes are of a single face, or of a clip of two frames. Parameters that nothing reads count as
    not trainable.

    Args:
        module: its mode is left as it is.
        depth: how deep parts within parts are shown.
    """
    # Without metrics and loss, which are no parts of the network.
    shown = _NetworkAlone()
    shown.network = module.network
    shown.example_input_array = module.blank(1)
    return f"{ModelSummary(shown, max_depth=depth + 1)}\n"


class _NetworkAlone(lightning.LightningModule):
    network: nn.Module

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            logits: Tensor = self.network(images)
        return logits
