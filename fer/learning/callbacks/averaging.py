"""Averaged weights."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn


class ExponentialAverage(WeightAveraging):
    """An exponential moving average of the weights (Polyak & Juditsky 1992), warmed up.

    After ``n`` steps the average keeps ``min(decay, (1 + n) / (10 + n))`` of itself, as in
    TensorFlow's ``ExponentialMovingAverage``. With a fixed decay of 0.999 the random weights of the
    start would still be a tenth of the average after 2,300 steps, ten epochs of FER2013 in batches
    of 128.

    Averaged weights are validated, kept and tested; batch normalisation's statistics are averaged
    as the weights are.

    Args:
        decay: share of the average that a late step keeps, at least 0 and below 1.

    Raises:
        ValueError: the decay is out of its range.
    """

    def __init__(self, *, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, not {decay}")

        def average(averaged: Any, current: Any, steps: Tensor | int) -> None:
            update: Any = get_ema_multi_avg_fn(warmed_up(decay, int(steps)))  # type: ignore[no-untyped-call]
            update(averaged, current, steps)

        super().__init__(multi_avg_fn=torch.no_grad()(average))
        self._last_weights: dict[str, Any] | None = None

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        # The average takes the weights' place now, but a checkpoint that is yet to be saved must
        # hold both, or a training that is prolonged would go on from the average.
        self._last_weights = deepcopy(pl_module.state_dict())
        super().on_train_end(trainer, pl_module)

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        # For a test the checkpoint's own weights, the average, are there already; Lightning would
        # put those of the last step in their place.
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._last_weights is not None:
            checkpoint["current_model_state"] = self._last_weights


def warmed_up(decay: float, steps: int) -> float:
    """Return the share of the average that is kept after ``steps`` updates.

    Example:
        >>> warmed_up(0.999, 0), warmed_up(0.999, 90), warmed_up(0.999, 10**6)
        (0.1, 0.91, 0.999)
    """
    return min(decay, (1 + steps) / (10 + steps))
