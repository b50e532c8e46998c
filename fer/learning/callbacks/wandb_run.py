"""The beginning and the end of a W&B run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import lightning
from lightning.pytorch.loggers import WandbLogger


def begin(logger: WandbLogger) -> None:
    """Begin the run now, so that a missing key or network is found before any data is read.

    Raises:
        ValueError: W&B can't be reached or refuses.
    """
    from wandb.errors import Error

    try:
        _ = logger.experiment
    except Error as error:
        first_line = str(error).strip().split("\n")[0]
        raise ValueError(f"W&B: {first_line} (logger.mode=offline goes without)") from error


@contextmanager
def closing_run(trainer: lightning.Trainer) -> Iterator[None]:
    """End the run with the training, so that the next job of a sweep begins its own."""
    try:
        yield
    finally:
        if isinstance(trainer.logger, WandbLogger):
            trainer.logger.experiment.finish()
