"""Parameters that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn


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
