"""Learn to answer two views of a face alike."""

from __future__ import annotations

from typing import cast

import lightning
from lightning.pytorch.callbacks import Callback

from fer.core.errors import UserError
from fer.learning.consistency import Consistency
from fer.learning.module import FerModule
from fer.ranges import NonNegativeFloat, ShareBelowOne


class Consistent(Callback):
    """Teach a learner not to mind how a face was cut out.

    See :class:`~fer.learning.consistency.Consistency`. A step costs twice as much. ``train/loss``
    is that of both views with what is asked of them; what is validated and tested is one view
    against the labels, as ever.

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
        """Have a learner learn from pairs.

        Raises:
            UserError: it reads clips.
        """
        if module.reads_clips:
            raise UserError("callbacks=consistency is for models of single faces, not of clips")
        module.consistency = self._consistency

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        if stage == "fit":
            self.plan(cast("FerModule", pl_module))
