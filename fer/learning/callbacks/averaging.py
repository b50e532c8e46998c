"""Averaged weights."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import chain
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from fer.ranges import ShareBelowOne


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

    def __init__(self, *, decay: ShareBelowOne = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, not {decay}")

        super().__init__()
        self._decay = decay
        self._last_weights: dict[str, Any] | None = None

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        if stage == "fit":
            # Where the module will be: it is not there yet.
            device = trainer.strategy.root_device
            self._average_model = _Average(pl_module, device=device, decay=self._decay)

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


class _Average(AveragedModel):
    """The average; torch's own waits several times a step for what a GPU has counted."""

    def __init__(self, model: nn.Module, *, device: torch.device, decay: float) -> None:
        super().__init__(model, use_buffers=True)
        # The count of steps stays where Python reads it.
        self.module.to(device)
        self._decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take in the weights of another step."""
        steps = int(self.n_averaged)
        keep = warmed_up(self._decay, steps) if steps else 0.0
        pairs = list(zip(_tensors(self.module), _tensors(model), strict=True))
        floats = [(mean, now) for mean, now in pairs if mean.is_floating_point()]
        torch._foreach_lerp_([mean for mean, _ in floats], [now for _, now in floats], 1 - keep)
        for mean, now in pairs:
            if not mean.is_floating_point():  # The batches that a norm has seen.
                mean.copy_(now)
        self.n_averaged += 1


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    return chain(module.parameters(), module.buffers())


def warmed_up(decay: float, steps: int) -> float:
    """Return the share of the average that is kept after ``steps`` updates.

    Example:
        >>> warmed_up(0.999, 0), warmed_up(0.999, 90), warmed_up(0.999, 10**6)
        (0.1, 0.91, 0.999)
    """
    return min(decay, (1 + steps) / (10 + steps))
