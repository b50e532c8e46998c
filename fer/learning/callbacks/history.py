"""The numbers of every epoch, whatever the logger."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from fer.core.io import write_text


class History(Callback):
    """Keep the epochs' numbers and write them to ``history.csv``.

    An epoch is taken down when the next begins or the training ends: only then have the module's
    own hooks logged all of it.

    Attributes:
        epochs: one flat mapping an epoch: ``epoch`` (counted from 1), ``lr`` (at its start), and
            every logged metric that is a number. It travels in the checkpoint, so a resumed run has
            the whole of it.
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._running: dict[str, float] | None = None
        self._validated = False

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._take_down(trainer)
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self._running = {"epoch": trainer.current_epoch + 1, "lr": rate}
        self._validated = False

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._validated = True

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._take_down(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs = [dict(epoch) for epoch in state_dict["epochs"]]

    def _take_down(self, trainer: lightning.Trainer) -> None:
        if self._running is None:
            return
        numbers = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            # The trainer still knows the last validation's numbers after an epoch without one.
            if name != "train/step_loss" and (self._validated or not name.startswith("val/"))
            # The precision of a class that was never answered.
            if not math.isnan(value)
        }
        self.epochs.append({**self._running, **numbers})
        self._running = None
        if trainer.is_global_zero:
            write_text(Path(trainer.default_root_dir) / "history.csv", self._table())

    def _table(self) -> str:
        columns = list(dict.fromkeys(name for epoch in self.epochs for name in epoch))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.epochs)
        return text.getvalue()
