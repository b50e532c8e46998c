"""An exponential moving average of the weights."""

from __future__ import annotations

from copy import deepcopy
from itertools import chain
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn
from torch.optim.swa_utils import AveragedModel

from fer.core.ranges import ShareBelowOne


class EMAWeights(WeightAveraging):
    """An exponential moving average of the weights (Polyak & Juditsky 1992), warmed up.

    After ``n`` steps the average keeps ``min(decay, (1 + n) / (10 + n))`` of itself, as in
    TensorFlow's ``ExponentialMovingAverage``. With a fixed decay of 0.999 the random weights of the
    start would still be a tenth of the average after 2,300 steps, ten epochs of FER2013 in batches
    of 128.

    Averaged weights are validated, saved and tested. The statistics of batch normalisation are
    averaged like weights.

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

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            # The device of the strategy: the module is moved there later.
            device = trainer.strategy.root_device
            self._average_model = _Average(pl_module, device=device, decay=self._decay)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # The average replaces the weights now, but a checkpoint saved after this must hold both:
        # otherwise a prolonged training would resume from the average.
        self._last_weights = deepcopy(pl_module.state_dict())
        super().on_train_end(trainer, pl_module)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # A test uses the checkpoint's own weights, the average; Lightning would replace them by
        # those of the last step.
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._last_weights is not None:
            checkpoint["current_model_state"] = self._last_weights


class _Average(AveragedModel):
    """The average. torch's own update synchronises with a GPU several times a step."""

    def __init__(self, model: nn.Module, *, device: torch.device, decay: float) -> None:
        super().__init__(model, use_buffers=True)
        # Not `device=` of the base class: the count of steps stays on the CPU.
        self.module.to(device)
        self._decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Average in the weights after another step."""
        steps = int(self.n_averaged)
        keep = warmed_up(self._decay, steps) if steps else 0.0
        tensors = [chain(m.parameters(), m.buffers()) for m in (self.module, model)]
        pairs = list(zip(*tensors, strict=True))
        floats = [(mean, now) for mean, now in pairs if mean.is_floating_point()]
        torch._foreach_lerp_([mean for mean, _ in floats], [now for _, now in floats], 1 - keep)
        for mean, now in pairs:
            if not mean.is_floating_point():  # The number of batches that a norm has seen.
                mean.copy_(now)
        self.n_averaged += 1


def warmed_up(decay: float, steps: int) -> float:
    """Return the share of the average that is kept after ``steps`` updates.

    Example:
        >>> warmed_up(0.999, 0), warmed_up(0.999, 90), warmed_up(0.999, 10**6)
        (0.1, 0.91, 0.999)
    """
    return min(decay, (1 + steps) / (10 + steps))
