"""What the training loop costs, and what its choices for the processor bring.

Run with ``python -m benchmarks.train_loop`` on a machine that does nothing else. Each line is a
pair measured in turns, every time in a process of its own, on built-in faces; the ratio is that of
the medians. The first epoch of each process, which warms up, is not counted.

- ``fer.train`` against a bare PyTorch loop of the same network, data, augmentation, precision,
  optimiser and metrics.
- bfloat16 with ``channels_last`` against float32 without.
- faces that are resident against one loader process.
- two processes of one thread each against one process of two threads, images a second of all.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_FACES = 1920
_EPOCHS = 3
_BASE = (
    "data=synthetic",
    f"data.source.train={_FACES}",
    "data.source.val=64",
    "data.source.test=64",
    "trainer=cpu",
    f"trainer.max_epochs={_EPOCHS}",
    "trainer.enable_progress_bar=false",
    # The loop alone: one validation, behind what is timed.
    f"trainer.check_val_every_n_epoch={_EPOCHS}",
    "scheduler=none",
    "logger=none",
)


def ours(overrides: Sequence[str]) -> float:
    """Return the images a second of a training by the framework."""
    from lightning.pytorch.callbacks import Callback

    from fer.config.build import build_parts, build_trainer
    from fer.config.compose import compose
    from fer.learning.loop import seed_everything_quietly

    class Clock(Callback):
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_train_epoch_start(self, *_: Any) -> None:
            self.start = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            # The last batch ends what is timed: checkpoints and history are the run's, once an
            # epoch, and the same whatever the number of faces.
            if trainer.is_last_batch:
                self.seconds.append(time.perf_counter() - self.start)

    config = compose("train", [*_BASE, *overrides])
    seed_everything_quietly(config.seed)
    parts = build_parts(config)
    _ = parts.data.faces
    clock = Clock()
    with TemporaryDirectory() as folder:
        trainer = build_trainer(config, Path(folder))
        trainer.callbacks.append(clock)  # type: ignore[attr-defined]
        trainer.fit(parts.module, datamodule=parts.data)
    return _rate(clock.seconds)


def bare(overrides: Sequence[str]) -> float:
    """Return the images a second of the same training as a loop in plain PyTorch."""
    import numpy as np
    import torch
    from torch.nn.functional import cross_entropy
    from torchmetrics import MeanMetric
    from torchmetrics.classification import MulticlassAccuracy

    from fer.config.build import build_parts
    from fer.config.compose import compose
    from fer.data.augmentation.batch import augment, draw
    from fer.learning.precision import auto_precision

    config = compose("train", [*_BASE, *overrides])
    torch.manual_seed(0)
    parts = build_parts(config)
    network, augmentation = parts.module.network.train(), parts.data.augmentation
    split = parts.data.faces.splits["train"]
    images = torch.from_numpy(np.array(split.images)).unsqueeze(1)
    labels = torch.from_numpy(split.labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.optimizer.lr)
    accuracy = MulticlassAccuracy(7, average="micro", validate_args=False)
    mean_loss = MeanMetric()
    size = config.data.batch_size
    lower = auto_precision("cpu") == "bf16-mixed"
    seconds = []
    for epoch in range(_EPOCHS):
        start = time.perf_counter()
        rng = np.random.default_rng((0, epoch))
        draws = draw(augmentation, _FACES, images.shape[-1], rng)
        order = rng.permutation(_FACES)
        for first in range(0, _FACES - size + 1, size):
            faces = order[first : first + size]
            place = torch.from_numpy(faces)
            batch, truth = augment(images[place], draws.take(faces)), labels[place]
            with torch.autocast("cpu", torch.bfloat16, enabled=lower):
                logits = network(batch.to(memory_format=torch.channels_last))
            loss = cross_entropy(logits.float(), truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            accuracy.update(logits.detach(), truth)
            mean_loss.update(loss.detach(), len(truth))
        seconds.append(time.perf_counter() - start)
        accuracy.reset()
        mean_loss.reset()
    return _rate(seconds)


def _rate(seconds: Sequence[float]) -> float:
    return _FACES // 64 * 64 / min(seconds[1:])


def start(kind: str, threads: int, *overrides: str) -> subprocess.Popen[str]:
    """Start one training in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.train_loop", "--one", kind, *overrides],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def rate(kind: str, threads: int, *overrides: str, processes: int = 1) -> float:
    """Return the images a second of so many trainings at once, all together."""
    running = [start(kind, threads, *overrides) for _ in range(processes)]
    answers = [one.communicate()[0].strip().splitlines()[-1] for one in running]
    return sum(float(json.loads(answer)) for answer in answers)


_FP32 = ("trainer.precision=32-true", "channels_last=false")
_LOADED = ("data.resident=false", "data.workers=1")
_PAIRS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...], int]] = {
    "fer.train / bare loop": (("ours", 1), ("bare", 1), 1),
    "bf16 channels_last / fp32": (("ours", 1), ("ours", 1, *_FP32), 1),
    "resident / one loader process": (("ours", 1), ("ours", 1, *_LOADED), 1),
    "2 processes × 1 thread / 1 × 2": (("ours", 1), ("ours", 2), 2),
}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="turns of each pair (default 3)")
    parser.add_argument("--backbone", default="small", help="as in fer.train (default small)")
    parser.add_argument("--one", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, *overrides = options.one
        print(json.dumps({"ours": ours, "bare": bare}[kind](overrides)))
        return 0
    more = (f"backbone={options.backbone}",)
    print(f"{'pair':<34}{'first /s':>10}{'second /s':>11}{'ratio':>8}  ratios of the turns")
    for name, (one, other, processes) in _PAIRS.items():
        rates = [
            (rate(*one, *more, processes=processes), rate(*other, *more))
            for _ in range(options.repeats)
        ]
        first, second = (statistics.median(column) for column in zip(*rates, strict=True))
        turns = " ".join(f"{a / b:.2f}" for a, b in rates)
        print(f"{name:<34}{first:>10.0f}{second:>11.0f}{first / second:>8.2f}  {turns}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
