"""Train a network to answer two views of a face alike."""

from __future__ import annotations

from typing import cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from fer.core.errors import UserError
from fer.learning.consistency import Consistency
from fer.learning.module import FerModule


class ConsistencyRegularization(Consistency, Callback):
    """Add :class:`~fer.learning.consistency.Consistency`, whose arguments it takes, to the loss.

    A step costs twice as much. ``train/loss`` is the mean over both views plus the divergence;
    validation and test use one view and the labels, as always.
    """

    def plan(self, module: FerModule) -> None:
        """Make a module train on pairs of views.

        Raises:
            UserError: it takes clips.
        """
        if module.takes_clips:
            raise UserError(
                "callbacks=consistency is for models of single faces, not of clips",
                code="not_for_clips",
                where="callbacks.consistency",
            )
        module.consistency = self

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self.plan(cast("FerModule", pl_module))
