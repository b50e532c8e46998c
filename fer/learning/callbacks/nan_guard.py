"""Stop a training that has diverged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from fer.core.errors import UserError

#: Batches between two looks at the losses: each look keeps a GPU waiting.
_EVERY: Final = 50


class DivergedError(UserError):
    """The loss or a weight is no finite number; the checkpoints from before are kept."""


class StopOnNaN(Callback):
    """Stop where a loss or a weight is not finite, before it reaches a checkpoint.

    Losses are looked at every 50 batches; they and the weights before a validation, at an epoch's
    end and before a checkpoint, since no later loss tells what the last step has done. The loss of
    a validation is looked at when it ends.

    All processes of a distributed training stop together, whichever of them has that number.
    """

    def __init__(self) -> None:
        #: By batch of this epoch, those that were not looked at yet.
        self._losses: dict[int, Tensor] = {}

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            self._losses[batch_idx] = loss.detach()
        if (batch_idx + 1) % _EVERY == 0:
            self._look(trainer)

    def on_validation_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            self._look(trainer, pl_module.state_dict())

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        # Weights that are finite still can be too large to answer with.
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._look(trainer, {"val/loss": trainer.callback_metrics.get("val/loss")})

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._look(trainer, pl_module.state_dict())

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        self._look(trainer, checkpoint["state_dict"])

    def _look(self, trainer: lightning.Trainer, more: Mapping[str, Any] | None = None) -> None:
        losses, self._losses = self._losses, {}
        fine = _finite([*losses.values(), *(more or {}).values()])
        if trainer.world_size > 1:
            fine = trainer.strategy.reduce_boolean_decision(fine, all=True)
        if fine:
            return
        batch = next((i for i, loss in losses.items() if not _finite([loss])), None)
        # Else a weight is none, or another process has found it.
        what = "no finite number" if batch is None else str(losses[batch].item())
        where = "" if batch is None else f", batch {batch + 1}"
        raise DivergedError(
            f"the loss became {what} in epoch {trainer.current_epoch + 1}{where}; the checkpoints "
            "of the epochs before are kept. Lower optimizer.lr, or set "
            "trainer.gradient_clip_val=1.0"
        )


def _finite(values: Iterable[Any]) -> bool:
    """Say whether all numbers of tensors are finite, by one look at the device."""
    floats = [value for value in values if isinstance(value, Tensor) and value.is_floating_point()]
    return not floats or bool(torch.stack([tensor.isfinite().all() for tensor in floats]).all())
