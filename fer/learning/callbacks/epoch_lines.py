"""How a training goes, for logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

import lightning
from lightning.pytorch.callbacks import Callback

from fer.core.text import format_duration
from fer.learning.callbacks.history import History


class EpochLines(Callback):
    """Write a line an epoch: what a progress bar is on a terminal, for files and pipes.

    It stands behind :class:`History`, whose numbers it tells.
    """

    def __init__(self) -> None:
        self._told = 0
        self._first = 0
        self._start = 0.0

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._told = self._first = len(_epochs(trainer))
        self._start = time.monotonic()

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._tell(trainer)

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._tell(trainer)

    def _tell(self, trainer: lightning.Trainer) -> None:
        epochs = _epochs(trainer)
        for epoch in epochs[self._told :]:
            seconds = (time.monotonic() - self._start) / max(1, len(epochs) - self._first)
            left = max(0, (trainer.max_epochs or 0) - len(epochs)) * seconds
            if trainer.is_global_zero:
                sys.stdout.write(
                    f"{line(epoch, trainer.max_epochs)}; {format_duration(left)} to go\n"
                )
                sys.stdout.flush()
        self._told = len(epochs)


def line(epoch: Mapping[str, float], most: int | None) -> str:
    """Return an epoch in words.

    Args:
        epoch: its numbers, as :class:`History` has them.
        most: how many there will be, if that is known.

    Example:
        >>> line({"epoch": 3, "train/loss": 1.5, "train/acc": 0.41, "val/acc": 0.4}, 20)
        'epoch 3/20: train loss 1.500, accuracy 41.0 %; validation accuracy 40.0 %'
    """
    parts = []
    for split, name in (("train", "train"), ("val", "validation")):
        told = []
        if f"{split}/loss" in epoch:
            told.append(f"loss {epoch[f'{split}/loss']:.3f}")
        if f"{split}/acc" in epoch:
            told.append(f"accuracy {epoch[f'{split}/acc']:.1%}".replace("%", " %"))
        if told:
            parts.append(f"{name} {', '.join(told)}")
    of = f"/{most}" if most and most > 0 else ""
    return f"epoch {epoch['epoch']:.0f}{of}: {'; '.join(parts)}"


def _epochs(trainer: lightning.Trainer) -> list[dict[str, float]]:
    callbacks = getattr(trainer, "callbacks", ())
    return next((c.epochs for c in callbacks if isinstance(c, History)), [])
