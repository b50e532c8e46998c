"""A network as a table."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fer.learning.module import FerModule


def network_table(module: FerModule, *, depth: int = 2) -> str:
    """Return the parts of the network with their kind, parameters and output shape.

    Shapes are of a single face, or of a clip of two frames (``B`` stands for the batch); indented
    parts lie within the one above.

    Args:
        module: the learner; its mode is left as it is.
        depth: how deep parts within parts are shown.
    """
    shapes: dict[nn.Module, str] = {}
    parts = [
        (name, part)
        for name, part in module.network.named_modules()
        if name.count(".") < depth and not isinstance(part, nn.ModuleList)
    ]
    hooks = [part.register_forward_hook(_note_shape(shapes)) for _, part in parts]
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            module(*module.blank(1))
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    rows = [("part", "kind", "parameters", "output")]
    for name, part in parts:
        if part not in shapes and not count_parameters(part):
            continue  # A container whose children are called by name, or nothing at all.
        indent = "  " * (name.count(".") + 1 if name else 0)
        label = indent + (name.rpartition(".")[2] or "network")
        # What is asked by another name than `forward` shows no output.
        shape = shapes.get(part, "")
        rows.append((label, type(part).__name__, f"{count_parameters(part):,}", shape))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{label:<{widths[0]}}  {kind:<{widths[1]}}  {count:>{widths[2]}}  {shape}"
        for label, kind, count, shape in rows
    ]
    lines.insert(1, "-" * (sum(widths) + 6))
    if unread := {n: p for n, p in module.network.named_parameters() if not p.requires_grad}:
        names = list(dict.fromkeys(name.rpartition(".")[0] for name in unread))
        count = sum(parameter.numel() for parameter in unread.values())
        more = f" and {len(names) - 3} more parts" if len(names) > 3 else ""
        lines.append(f"nothing reads {count:,} of them, in {', '.join(names[:3])}{more}: left out")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def count_parameters(module: nn.Module) -> int:
    """Return how many numbers a module learns or keeps frozen."""
    return sum(parameter.numel() for parameter in module.parameters())


def _note_shape(shapes: dict[nn.Module, str]) -> Any:
    def hook(module: nn.Module, inputs: object, output: object) -> None:
        # An LSTM returns its steps and its state: the steps tell its shape.
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor):
            shapes[module] = "×".join(["B", *map(str, first.shape[1:])])

    return hook
