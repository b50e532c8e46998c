"""Stop a training that has diverged."""

from __future__ import annotations

from typing import cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from fer.errors import UserError


class DivergedError(UserError):
    """The loss is no finite number; the checkpoints from before are kept."""


class StopOnNaN(Callback):
    """Stop at the first loss that is not finite, before it reaches a checkpoint.

    All processes of a distributed training stop together, whichever of them has that loss.
    """

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        diverged = isinstance(loss, torch.Tensor) and not torch.isfinite(loss).all()
        if trainer.world_size > 1:
            diverged = trainer.strategy.reduce_boolean_decision(diverged, all=False)
        if diverged:
            raise DivergedError(
                f"the loss became {_shown(loss)} in epoch {trainer.current_epoch + 1}, batch "
                f"{batch_idx + 1}; the checkpoints of the epochs before are kept. Lower "
                "optimizer.lr, or set trainer.gradient_clip_val=1.0"
            )


def _shown(loss: object) -> str:
    finite = not isinstance(loss, torch.Tensor) or bool(torch.isfinite(loss).all())
    return "no finite number" if finite else str(cast("torch.Tensor", loss).item())
