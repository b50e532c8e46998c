"""Make the network that a file describes, with its weights, in no more memory than these say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from threading import get_ident
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree

from fer.models.build import BuildError, build, of_roots, targets
from fer.models.clips import ClipNetwork

#: Most numbers of anything that one face becomes within a network: 1 GiB of them.
_MOST: Final = 2**28


def rebuild(
    spec: Mapping[str, Any], weights: Mapping[str, Tensor], *, classes: int, size: int
) -> tuple[nn.Module, int]:
    """Return the network that a description and weights of a file give, in evaluation mode.

    It is made without memory first (on torch's ``meta`` device), and held against the shapes of the
    weights: what a file says takes no more memory than what it holds. A network with parts that
    the user allowed is that user's own code, which is not tried so.

    Args:
        spec: of the network.
        weights: by name, as ``state_dict`` gives them.
        classes: how many.
        size: of the faces, in pixels.

    Returns:
        The network, and the most numbers of anything that one face becomes within it; 0 where that
        was not tried.

    Raises:
        BuildError: it can't be made, reads or makes too much, or has other weights.
    """
    largest = 0
    try:
        spec = _bare(spec)
        if all(map(of_roots, targets(spec))):
            largest = _tried(spec, weights, classes, size)
        network = build(spec, expects=nn.Module, classes=classes, size=size)
    except Exception as error:
        # A description may be anything, and so may what a constructor makes of it.
        kind = "" if isinstance(error, BuildError) else f"{type(error).__name__}: "
        first = str(error).strip().split("\n")[0]
        raise BuildError(f"its network can't be made: {kind}{first}") from error
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        first = (str(error).split("\n")[1:2] or [str(error)])[0].strip()
        raise BuildError(f"its weights are not those of its network: {first}") from error
    return network.eval().requires_grad_(requires_grad=False), largest


def _bare(node: Any) -> Any:
    """Return a description without weights of elsewhere: they are in the file that describes."""
    if isinstance(node, Mapping):
        of_timm = str(node.get("_target_")).rpartition(".")[2] == "Timm"
        absent = {"pretrained": False, "weights": None} if of_timm else {}
        return {key: absent.get(key, _bare(value)) for key, value in node.items()}
    return [_bare(value) for value in node] if isinstance(node, list | tuple) else node


def _tried(spec: Mapping[str, Any], weights: Mapping[str, Tensor], classes: int, size: int) -> int:
    """Make the network and ask it about a face, all without memory; see :func:`rebuild`."""
    thread, left = get_ident(), 1000 + 2 * sum(w.numel() + 1 for w in weights.values())

    def count(_module: nn.Module, _name: str, parameter: Tensor | None) -> None:
        # Other threads may make networks meanwhile.
        nonlocal left
        if parameter is not None and get_ident() == thread:
            left -= parameter.numel() + 1
            if left < 0:
                raise BuildError("it is larger than the weights that the file holds")

    handle = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"), _Largest():
            network = build(spec, expects=nn.Module, classes=classes, size=size)
    finally:
        handle.remove()
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if wanted != {name: tuple(tensor.shape) for name, tensor in weights.items()}:
        # What differs is told when the weights are put into it, which it has room for.
        return 0
    steps = (1,) if isinstance(network, ClipNetwork) else ()
    face = torch.zeros(1, 1, *steps, size, size, dtype=torch.uint8, device="meta")
    with torch.device("meta"), torch.no_grad(), _Largest() as seen:
        network.eval()(face)
    largest: int = seen.numbers
    return largest


class _Largest(TorchFunctionMode):
    """Remembers the largest of all tensors that are made, and refuses what is too large."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__name__", "") == "lstm":
            return self._lstm(*args)
        made = func(*args, **(kwargs or {}))
        for one in _pytree.tree_leaves(made):
            if isinstance(one, Tensor):
                self._see(one.numel())
        return made

    def _see(self, numbers: int) -> None:
        self.numbers = max(self.numbers, numbers)
        if numbers > _MOST:
            raise BuildError(
                f"it makes {numbers:,} numbers at once of one face, which is over {_MOST:,}"
            )

    def _lstm(self, steps: Tensor, state: Any, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
        # Without memory torch would go through all steps one by one.
        directions, units = 1 + bool(rest[5]), state[0].shape[-1]
        # Its four gates, of all steps at once.
        self._see(4 * directions * units * prod(steps.shape[:-1]))
        return (steps.new_empty(*steps.shape[:-1], directions * units), *state)
