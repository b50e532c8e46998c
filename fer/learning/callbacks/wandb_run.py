"""The beginning and the end of a W&B run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from fer.core.io import write_text


def earlier_id(folder: Path) -> str | None:
    """Return the id of the W&B run that a training in this folder began, if it is to go on.

    What a sweep's agent has named is its own to name.
    """
    path = _id_file(folder)
    return path.read_text().strip() if path.is_file() and "WANDB_RUN_ID" not in os.environ else None


def _id_file(folder: Path) -> Path:
    return folder / "wandb" / "run_id"


@rank_zero_only
def _keep_id(folder: Path, identity: str) -> None:
    write_text(_id_file(folder), f"{identity}\n")


def begin(logger: WandbLogger, folder: Path) -> None:
    """Begin the run now, so that a missing key or network is found before any data is read.

    Args:
        logger: whose run it is.
        folder: where its id is kept, for a training that is gone on with.

    Raises:
        ValueError: W&B can't be reached or refuses.
    """
    from wandb.errors import Error

    try:
        run = logger.experiment
    except Error as error:
        first_line = str(error).strip().split("\n")[0]
        raise ValueError(f"W&B: {first_line} (logger.mode=offline goes without)") from error
    _keep_id(folder, run.id)


@contextmanager
def closing_run(trainer: lightning.Trainer) -> Iterator[None]:
    """End the run with the training, so that the next job of a sweep begins its own.

    A training that did not end well is shown as failed.
    """
    code = 1
    try:
        yield
        code = 0
    finally:
        if isinstance(trainer.logger, WandbLogger):
            trainer.logger.experiment.finish(exit_code=code)
