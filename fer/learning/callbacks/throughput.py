"""How fast a training learns."""

from __future__ import annotations

import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback


class Throughput(Callback):
    """Measure how many faces a second are trained on, without validation.

    Attributes:
        faces: trained on in all epochs, by all processes.
        seconds: from the first to the last step of each epoch, added up. Both travel in the
            checkpoint, so a resumed run counts its past.
    """

    def __init__(self) -> None:
        self.faces = 0
        self.seconds = 0.0
        self._begun = 0.0

    @property
    def rate(self) -> float | None:
        """Faces a second; None before the first step."""
        return self.faces / self.seconds if self.seconds > 0 else None

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._begun = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        now = time.monotonic()
        self.faces += len(batch["label"]) * trainer.world_size
        self.seconds += now - self._begun
        self._begun = now

    def state_dict(self) -> dict[str, Any]:
        return {"faces": self.faces, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.faces, self.seconds = int(state_dict["faces"]), float(state_dict["seconds"])
