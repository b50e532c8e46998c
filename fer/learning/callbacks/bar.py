"""How a training goes, on a terminal."""

from __future__ import annotations

import lightning
from lightning.pytorch.callbacks import TQDMProgressBar


class Bar(TQDMProgressBar):
    """Lightning's bar, which asks for the step's loss itself, every tenth step.

    A loss that the module logs for a bar is asked for at every step, bar or not, and a GPU waits.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=10)

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        shown = super().get_metrics(trainer, pl_module)
        loss = trainer.callback_metrics.get("train/step_loss")
        return shown if loss is None else {**shown, "train/step_loss": float(loss)}
