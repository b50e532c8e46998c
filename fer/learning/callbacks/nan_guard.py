"""Stop a training that has diverged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from fer.core.errors import UserError

#: Batches between two checks of the losses: each makes a GPU wait.
_EVERY: Final = 50


class DivergedError(UserError):
    """The loss or a weight is not finite; the earlier checkpoints are kept."""


class StopOnNaN(Callback):
    """Stop where a loss or a weight is not finite, before it reaches a checkpoint.

    Losses are checked every 50 batches; losses and weights before a validation, at an epoch's end
    and before a checkpoint, since no later loss shows what the last step has done. The loss of a
    validation is checked when it ends.

    All processes of a distributed training stop together, whichever of them has that number.
    """

    def __init__(self) -> None:
        #: By batch of this epoch, those not checked yet.
        self._losses: dict[int, Tensor] = {}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            self._losses[batch_idx] = loss.detach()
        if (batch_idx + 1) % _EVERY == 0:
            self._check(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            self._check(trainer, pl_module.state_dict())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Finite weights can be too large to answer with.
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._check(trainer, {"val/loss": trainer.callback_metrics.get("val/loss")})

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._check(trainer, pl_module.state_dict())

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._check(trainer, checkpoint["state_dict"])

    def _check(self, trainer: Trainer, more: Mapping[str, Any] | None = None) -> None:
        losses, self._losses = self._losses, {}
        fine = _finite([*losses.values(), *(more or {}).values()])
        if trainer.world_size > 1:
            fine = trainer.strategy.reduce_boolean_decision(fine, all=True)
        if fine:
            return
        batch = next((i for i, loss in losses.items() if not _finite([loss])), None)
        # Otherwise it is a weight, or a number of another process.
        what = "not finite" if batch is None else str(losses[batch].item())
        where = "" if batch is None else f", batch {batch + 1}"
        raise DivergedError(
            f"the loss became {what} in epoch {trainer.current_epoch + 1}{where}; the checkpoints "
            "of the epochs before are kept. Lower optimizer.lr, or set "
            "trainer.gradient_clip_val=1.0",
            code="diverged",
            where=f"epoch {trainer.current_epoch + 1}{where}",
        )


def _finite(values: Iterable[Any]) -> bool:
    """Return True if all numbers of tensors are finite; waits for the device once."""
    floats = [value for value in values if isinstance(value, Tensor) and value.is_floating_point()]
    return not floats or bool(torch.stack([tensor.isfinite().all() for tensor in floats]).all())
