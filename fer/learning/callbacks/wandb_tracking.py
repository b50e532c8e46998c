"""What a team looks for in a W&B run: how it was made, how good it was at best, what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import lightning
import yaml
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger

from fer.learning.callbacks.checkpoint import BestAndLast

#: The best value so far of the metric that the checkpoints go by. Sweeps go by it.
OBJECTIVE: Final = "val/best_score"

#: What is handed in beside the checkpoint, as far as it is there. Findings about single faces and
#: logs stay: they name files.
_REPORT: Final = (
    "metrics.json", "history.csv", "config.yaml", "provenance.json", "figures/curves.png",
    "figures/confusion_matrix.png", "figures/confusion_matrix.csv",
)  # fmt: skip


class Tracking(Callback):
    """Describe the run to W&B, where that is the logger, and log the best value so far."""

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if not trainer.is_global_zero or not isinstance(trainer.logger, WandbLogger):
            return
        described = facts(Path(trainer.default_root_dir))
        trainer.logger.experiment.config.update(described, allow_val_change=True)

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        # Of the epoch before: at its end its checkpoint had not been compared yet.
        self._log_best(trainer)

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._log_best(trainer)

    def _log_best(self, trainer: lightning.Trainer) -> None:
        if not isinstance(trainer.logger, WandbLogger):
            return
        kept = (c for c in trainer.checkpoint_callbacks if isinstance(c, BestAndLast))
        score = next((c.best_model_score for c in kept), None)
        if score is not None:
            trainer.logger.log_metrics({OBJECTIVE: float(score)}, step=trainer.global_step)


def facts(folder: Path) -> dict[str, Any]:
    """Return the configuration of a run with its ``provenance``, as they were taken down.

    The provenance is the command, the commit and whether the checkout had changes, versions, the
    machine, the data's fingerprint and the seed.

    Args:
        folder: of the run.
    """
    config: dict[str, Any] = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    origin = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return {**config, "provenance": origin}


def hand_in(trainer: lightning.Trainer, folder: Path, *, artifacts: bool) -> None:
    """Give the best checkpoint and the report of a finished run to W&B, where that is the logger.

    Offline they wait for ``wandb sync`` on the same machine; they are not copied.

    Args:
        trainer: of the run.
        folder: of the run.
        artifacts: whether to.
    """
    logger = trainer.logger
    if not artifacts or not isinstance(logger, WandbLogger) or not trainer.is_global_zero:
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
        there = [name for name in names if (folder / name).is_file()]
        for name in there:
            artifact.add_file(str(folder / name), name=name, policy="immutable")
        if there:
            run.log_artifact(artifact)
