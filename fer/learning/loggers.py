"""Where numbers are sent while training; each keeps its files in the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from fer.core.ranges import NonNegativeInt
from fer.learning.callbacks.wandb import earlier_id, start_run


def csv(folder: Path, name: str) -> Logger:
    """Numbers as ``csv/metrics.csv``; those of a resumed run are kept beside it."""
    _set_aside(folder / "csv" / "metrics.csv")
    return CSVLogger(folder, name="csv", version="")


@rank_zero_only
def _set_aside(earlier: Path) -> None:
    if earlier.is_file():
        count = len(list(earlier.parent.glob("metrics*.csv")))
        earlier.rename(earlier.with_name(f"metrics-{count}.csv"))


def tensorboard(folder: Path, name: str) -> Logger:
    """Event files under ``tensorboard/``."""
    return TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False)


def none(folder: Path, name: str) -> None:
    """No log beside the run's own history."""


def wandb(
    folder: Path,
    name: str,
    *,
    project: str,
    entity: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] = (),
    mode: Literal["online", "offline", "disabled"] | None = None,
    log_model: bool = False,
    pictures: NonNegativeInt = 0,
    artifacts: bool = True,
) -> Logger:
    """Weights & Biases, online or offline.

    ``mode`` is passed to the run and not to the environment, where it would outlive the run and
    silence the next one of the process. Without it, ``WANDB_MODE`` counts. ``pictures`` and
    ``artifacts`` are read by what sends them. A resumed training resumes its W&B run.
    """
    options: dict[str, Any] = {} if mode is None else {"mode": mode}
    logger = WandbLogger(
        save_dir=folder,
        name=name,
        project=project,
        entity=entity,
        group=group,
        job_type=job_type,
        notes=notes,
        tags=list(tags),
        log_model=log_model,
        id=earlier_id(folder),
        **options,
    )
    start_run(logger, folder)
    return logger
