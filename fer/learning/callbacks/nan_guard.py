"""Stop a training that has diverged."""

from __future__ import annotations

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from fer.errors import UserError


class DivergedError(UserError):
    """The loss is no finite number; the checkpoints from before are kept."""


class StopOnNaN(Callback):
    """Stop at the first loss that is not finite, before it reaches a checkpoint."""

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if isinstance(loss, torch.Tensor) and not torch.isfinite(loss).all():
            raise DivergedError(
                f"the loss became {loss.item()} in epoch {trainer.current_epoch + 1}, batch "
                f"{batch_idx + 1}; the checkpoints of the epochs before are kept. Lower "
                "optimizer.lr, or set trainer.gradient_clip_val=1.0"
            )
