"""The best and the last checkpoint of a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from fer.core.io import atomic_write


class BestLastCheckpoint(ModelCheckpoint):
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

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Lightning's default is where the logger writes.
        self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints")
        super().setup(trainer, pl_module, stage)
        self._trainer = trainer
        self._started = False
        self._between_epochs = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._started:
            self._save_last(trainer)
        self._started = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        self._save_last(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._between_epochs:
            # The next epoch is counted as ready already, but nothing of it has happened: without
            # this a resumed run would take it for one that was cut off at its end.
            for counts in checkpoint["loops"]["fit_loop"]["epoch_progress"].values():
                counts.update(ready=counts["completed"], started=counts["completed"])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Lightning forgets the best of a run that lay in another folder; this run would then report
        # a later, worse epoch as its best.
        super().load_state_dict({**state_dict, "dirpath": self.dirpath})
        if not self.best_model_path:
            return
        best = Path(str(self.dirpath)) / "best.ckpt"
        # With several processes, one copies.
        if not best.is_file() and self._trainer.is_global_zero:
            with atomic_write(best) as temporary:
                shutil.copyfile(self._earlier_best(), temporary)
        if self.best_model_score is not None:
            self.best_k_models = {str(best): self.best_model_score}
        self.best_model_path = self.kth_best_model_path = str(best)

    def _earlier_best(self) -> Path:
        """Return the best checkpoint of the resumed run, which may have been moved as a whole."""
        stated = Path(self.best_model_path)
        moved = Path(str(self._trainer.ckpt_path)).with_name("best.ckpt")
        for path in (stated, moved):
            if path.is_file():
                return path
        raise FileNotFoundError(
            f"the best checkpoint of the run to resume is neither {stated} nor {moved}: put it "
            "beside the checkpoint to resume from"
        )

    def _save_last(self, trainer: Trainer) -> None:
        self._between_epochs = True
        trainer.save_checkpoint(Path(str(self.dirpath)) / "last.ckpt")
        self._between_epochs = False
