"""Weights & Biases: the run's start and end, what is sent to it, pictures for those who ask."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import torch
import yaml
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from fer.core.io import write_text
from fer.data.loading.dataset import Batch
from fer.learning.callbacks.checkpoint import BestLastCheckpoint
from fer.learning.module import FerModule

#: The best value so far of the metric that the checkpoints go by. Sweeps go by it.
OBJECTIVE: Final = "val/best_score"

#: What is sent beside the checkpoint, where it exists. Tables of single faces and logs are not
#: sent: they name files.
_REPORT: Final = (
    "metrics.json", "history.csv", "config.yaml", "provenance.json", "figures/curves.png",
    "figures/confusion_matrix.png", "figures/confusion_matrix.csv",
)  # fmt: skip


def earlier_id(folder: Path) -> str | None:
    """Return the id of the W&B run that a training in this folder began, to resume that run.

    None where the agent of a sweep has named the run.
    """
    path = folder / "wandb" / "run_id"
    return path.read_text().strip() if path.is_file() and "WANDB_RUN_ID" not in os.environ else None


def start_run(logger: WandbLogger, folder: Path) -> None:
    """Start the run now, so that a missing key or network is found before any data is read.

    Its id is kept in ``folder``, for a training that is resumed.

    Raises:
        ValueError: W&B can't be reached or refuses.
    """
    from wandb.errors import Error

    try:
        run = logger.experiment
    except Error as error:
        first_line = str(error).strip().split("\n")[0]
        raise ValueError(f"W&B: {first_line} (logger.mode=offline goes without)") from error
    rank_zero_only(write_text)(folder / "wandb" / "run_id", f"{run.id}\n")


@contextmanager
def finish_run_on_exit(trainer: Trainer) -> Iterator[None]:
    """Finish the run with the training, so that the next job of a sweep starts its own.

    A training that raises is shown as failed.
    """
    code = 1
    try:
        yield
        code = 0
    finally:
        if isinstance(trainer.logger, WandbLogger):
            trainer.logger.experiment.finish(exit_code=code)


class WandbTracking(Callback):
    """Send the run's configuration and provenance to W&B, and the best value so far.

    The provenance is the command, the commit and whether the checkout had changes, versions, the
    machine, the data's fingerprint and the seed. Does nothing with another logger.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero or not isinstance(trainer.logger, WandbLogger):
            return
        folder = Path(trainer.default_root_dir)
        config: dict[str, Any] = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
        config["provenance"] = json.loads((folder / "provenance.json").read_text("utf-8"))
        trainer.logger.experiment.config.update(config, allow_val_change=True)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Of the epoch before: at its end its checkpoint had not been compared yet.
        self._log_best(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._log_best(trainer)

    def _log_best(self, trainer: Trainer) -> None:
        if not isinstance(trainer.logger, WandbLogger):
            return
        checkpoints = (c for c in trainer.checkpoint_callbacks if isinstance(c, BestLastCheckpoint))
        score = next((c.best_model_score for c in checkpoints), None)
        if score is not None:
            trainer.logger.log_metrics({OBJECTIVE: float(score)}, step=trainer.global_step)


def log_artifacts(trainer: Trainer, folder: Path) -> None:
    """Send the best checkpoint and the report of a finished run to W&B, where that is the logger.

    Offline they wait for ``wandb sync`` on the same machine; they are not copied.
    """
    logger = trainer.logger
    if not isinstance(logger, WandbLogger) or not trainer.is_global_zero:
        return
    import wandb

    run = logger.experiment
    if run.disabled:
        return
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    origin = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    about = {"metrics": metrics, **{name: origin[name] for name in ("command", "commit", "dirty")}}
    for kind, names in (("model", ("checkpoints/best.ckpt",)), ("report", _REPORT)):
        artifact = wandb.Artifact(f"{kind}-{run.id}", type=kind, metadata=about)
        existing = [name for name in names if (folder / name).is_file()]
        for name in existing:
            artifact.add_file(str(folder / name), name=name, policy="immutable")
        if existing:
            run.log_artifact(artifact)


class LogMisclassified(Callback):
    """Send the most confidently misclassified validation faces of the last epoch to W&B.

    These are pictures of people: the callback exists only where ``logger.pictures`` asks for it.
    With several processes, only the first one's faces are considered.

    Args:
        count: how many faces.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._worst: list[tuple[float, torch.Tensor, str]] = []

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._worst = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        classes = cast("FerModule", pl_module).classes
        logits = cast("torch.Tensor", outputs)
        confidence, guess = logits.float().softmax(dim=1).max(dim=1)
        for i in torch.nonzero(guess != batch["label"]).flatten().tolist():
            truth, answer = (classes[int(t[i])] for t in (batch["label"], guess))
            caption = f"row {int(batch['row'][i])}: {truth}, read as {answer} {confidence[i]:.0%}"
            image = batch["image"][i, 0]
            if image.ndim == 3:  # Of a clip its middle frame.
                image = image[int(batch["length"][i]) // 2]
            self._worst.append((float(confidence[i]), image.cpu(), caption))
        self._worst = sorted(self._worst, key=lambda item: -item[0])[: self.count]

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        logger = trainer.logger
        if isinstance(logger, WandbLogger) and self._worst:
            logger.log_image(
                "val/misread",
                [image.numpy() for _, image, _ in self._worst],
                caption=[caption for *_, caption in self._worst],
            )
