"""A network tried out before there is data: what fits, and what nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from fer.learning.module import FerModule
from fer.models import BuildError


def try_forward(module: FerModule) -> None:
    """Pass blank faces, or clips, through a learner's network and leave out what nothing reads.

    Raises:
        BuildError: the parts do not fit, or the answers have another shape.
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
    leave_out_unread(module.network, logits)


def leave_out_unread(network: nn.Module, answers: Tensor) -> None:
    """Freeze the parameters that no answer depends on.

    Such as the last layers of a timm network whose map alone is read. They could not learn, and
    processes that learn together would wait for their gradients.

    Args:
        network: that has answered.
        answers: what it said, while gradients were recorded.
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
