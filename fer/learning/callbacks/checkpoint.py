"""The best and the last checkpoint of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint


class BestAndLast(ModelCheckpoint):
    """Keep ``checkpoints/best.ckpt`` and ``checkpoints/last.ckpt`` in the run folder.

    The last one is written between epochs, when schedules have stepped and histories are complete:
    Lightning's own is written within the epoch's end, so that a run resumed from it would miss the
    plateau scheduler's step.

    The names carry no numbers: ``=`` in a file name is a syntax error on Hydra's command line.

    Args:
        monitor: the logged metric that says which epoch is best.
        mode: whether more (``max``) or less (``min``) is better.
    """

    def __init__(self, *, monitor: str = "val/acc", mode: Literal["min", "max"] = "max") -> None:
        super().__init__(
            monitor=monitor,
            mode=mode,
            filename="best",
            enable_version_counter=False,
            auto_insert_metric_name=False,
        )

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        # Not where the logger writes, which is Lightning's default.
        self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints")
        super().setup(trainer, pl_module, stage)
        self._begun = False

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if self._begun:
            self._save_last(trainer)
        self._begun = True

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        super().on_train_end(trainer, pl_module)
        self._save_last(trainer)

    def _save_last(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(Path(str(self.dirpath)) / "last.ckpt")
