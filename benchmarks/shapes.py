"""How fast each layer of a network trains, against a plain bf16 matrix product.

Run with ``python -m benchmarks.shapes [KEY=VALUE …]`` (those of ``python -m fer.train``) on a
machine that does nothing else. Each layer with weights is timed alone, forward and backward, on the
input that it has in the network, in bf16 with ``channels_last`` and on one thread. Its rate (two
operations a multiply-add; backward is two forwards) is held against that of a square product in the
same run: a layer far below the others sits in a slow kernel. The last line is a whole training step
without the optimiser. ``--to FOLDER`` keeps the figures for ``python -m tools.ledger add``:
``product`` and ``step`` (operations a second), ``share`` and ``faces`` (a second).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

from benchmarks.figures import write_figures
from fer.config.build import build_parts
from fer.config.compose import compose

_TIMED = (nn.Conv2d, nn.Linear, nn.LSTM, nn.BatchNorm2d)
_PRODUCT = 1024


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=128, help="faces at a time (default 128)")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each (default 7)")
    parser.add_argument("--to", type=Path, help="the folder of the figures")
    parser.add_argument("overrides", nargs="*", help="of the configuration")
    options = parser.parse_args()
    torch.manual_seed(0)
    config = compose("train", ["data=synthetic", "trainer=cpu", *options.overrides])
    network = build_parts(config).module.network.train()
    size = config.data.size
    faces = torch.randint(0, 256, (options.batch, 1, size, size), dtype=torch.uint8)
    faces = faces.to(memory_format=torch.channels_last)
    layers = _layers(network, faces)
    peak = _product(options.repeats)
    print(f"bf16 product of {_PRODUCT}×{_PRODUCT}: {peak / 1e9:.0f} GFLOP/s\n")
    print(f"{'layer':<44}{'input':<22}{'GFLOP':>7}{'ms':>8}{'GFLOP/s':>9}{'of product':>12}")
    total = 0.0
    for name, layer, inputs in layers:
        work = 3 * _operations(layer, inputs)
        total += work
        seconds = _timed(_step(layer, inputs), options.repeats)
        shape = "×".join(map(str, inputs.shape))
        rate = work / seconds
        print(
            f"{name[-43:]:<44}{shape:<22}{work / 1e9:>7.2f}{1e3 * seconds:>8.2f}"
            f"{rate / 1e9:>9.0f}{rate / peak:>12.0%}"
        )
    seconds = _timed(_step(network, faces), options.repeats)
    rate = total / seconds
    print(
        f"{'a whole step':<44}{options.batch / seconds:<14.0f}faces/s{total / 1e9:>8.2f}"
        f"{1e3 * seconds:>8.2f}{rate / 1e9:>9.0f}{rate / peak:>12.0%}"
    )
    if options.to:
        shares = {"product": peak, "step": rate, "share": rate / peak}
        told = {"batch": options.batch, "overrides": options.overrides}
        write_figures(
            options.to, {**shares, "faces": options.batch / seconds}, told, "noise, drawn"
        )
    return 0


def _layers(network: nn.Module, faces: Tensor) -> list[tuple[str, nn.Module, Tensor]]:
    """Return each layer with weights and the input that it has."""
    seen: list[tuple[str, nn.Module, Tensor]] = []
    hooks = [
        layer.register_forward_pre_hook(
            lambda layer, inputs, name=name: seen.append((name, layer, inputs[0].detach().clone()))
        )
        for name, layer in network.named_modules()
        if isinstance(layer, _TIMED)
    ]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        network(faces)
    for hook in hooks:
        hook.remove()
    return seen


def _operations(layer: nn.Module, inputs: Tensor) -> float:
    """Return two for each multiply-add of a forward pass."""
    n = inputs.shape[0]
    if isinstance(layer, nn.Conv2d):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            places = layer(inputs).shape[2:].numel()
        return 2.0 * n * places * layer.weight.numel()
    if isinstance(layer, nn.Linear):
        return 2.0 * inputs.shape[:-1].numel() * layer.weight.numel()
    if isinstance(layer, nn.LSTM):
        matrices = sum(p.numel() for name, p in layer.named_parameters() if "weight" in name)
        return 2.0 * n * inputs.shape[1] * matrices
    return 2.0 * inputs.numel()


def _step(layer: nn.Module, inputs: Tensor) -> Callable[[], None]:
    learnt = inputs.is_floating_point()

    def forward() -> Tensor:
        x = inputs.detach().requires_grad_(learnt)
        with torch.autocast("cpu", torch.bfloat16):
            out: Any = layer(x)
        return out[0] if isinstance(out, tuple) else out

    # In the layout of the output: that of a sum would be one number, seen everywhere.
    gradient = torch.randn_like(forward().detach())
    return lambda: forward().backward(gradient)


def _product(repeats: int) -> float:
    """Return operations a second of a square product in bf16."""
    a, b = (torch.randn(_PRODUCT, _PRODUCT, dtype=torch.bfloat16) for _ in range(2))
    return 2.0 * _PRODUCT**3 / _timed(lambda: a @ b, repeats)


def _timed(work: Callable[[], Any], repeats: int) -> float:
    """Return the median of the seconds that it takes, after two turns to warm up."""
    seconds = []
    for turn in range(repeats + 2):
        start = time.perf_counter()
        work()
        if turn > 1:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    sys.exit(main())
