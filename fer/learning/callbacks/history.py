"""The numbers of every epoch, whatever the logger."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from fer.files import write_text


class History(Callback):
    """Keep the epoch's numbers and write them to ``history.csv`` after each epoch.

    Attributes:
        epochs: one flat mapping an epoch: ``epoch`` (counted from 1), ``lr``, and every logged
            metric. It travels in the checkpoint, so a resumed run has the whole of it.
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        numbers = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name != "train/step_loss"
        }
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self.epochs.append({"epoch": trainer.current_epoch + 1, "lr": rate, **numbers})
        if trainer.is_global_zero:
            write_text(Path(trainer.default_root_dir) / "history.csv", self._table())

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs = [dict(epoch) for epoch in state_dict["epochs"]]

    def _table(self) -> str:
        columns = list(dict.fromkeys(name for epoch in self.epochs for name in epoch))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.epochs)
        return text.getvalue()
