"""Train a network to answer two views of a face alike."""

from __future__ import annotations

from typing import cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from fer.core.errors import UserError
from fer.learning.consistency import Consistency
from fer.learning.module import FerModule
from fer.ranges import NonNegativeFloat, ShareBelowOne


class ConsistencyRegularization(Callback):
    """Add :class:`~fer.learning.consistency.Consistency` to the loss.

    A step costs twice as much. ``train/loss`` is the mean over both views plus the divergence;
    validation and test use one view and the labels, as always.

    Args:
        weight: of the divergence of the two answers, at least 0.
        zoom: largest relative change of scale of the second view.
        shift: its largest shift along each axis, as a share of the side.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        *,
        weight: NonNegativeFloat = 1.0,
        zoom: ShareBelowOne = 0.3,
        shift: ShareBelowOne = 0.1,
    ) -> None:
        self._consistency = Consistency(weight=weight, zoom=zoom, shift=shift)

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
        module.consistency = self._consistency

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self.plan(cast("FerModule", pl_module))
