"""Learn from the answers of networks that have learnt already."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import lightning
from lightning.pytorch.callbacks import Callback

from fer.errors import UserError
from fer.learning.module import FerModule
from fer.learning.teachers import Teachers, read_teachers


class Distillation(Callback):
    """Teach by teachers: a part of the loss is against what they answer.

    See :class:`~fer.learning.teachers.Teachers`. What is validated and tested is the student
    against the labels, as ever.

    Args:
        teachers: checkpoints of ``python -m fer.train`` that answer with the same classes.
        weight: of the loss against their answers, above 0 and at most 1.
        temperature: that their logits and the student's are divided by there, above 0.

    Raises:
        ValueError: there are none, or a number is out of range.
    """

    def __init__(
        self, *, teachers: Sequence[str], weight: float = 0.5, temperature: float = 1.0
    ) -> None:
        self.paths = [Path(path).expanduser() for path in teachers]
        self._weight, self._temperature = weight, temperature
        if not self.paths:
            raise ValueError("there are no teachers: callbacks.distillation.teachers=[CKPT,…]")

    def plan(self, module: FerModule) -> None:
        """Read the teachers for a student.

        Raises:
            UserError: one can't teach it, or it reads clips.
            ValueError: a number is out of range.
        """
        if module.reads_clips:
            raise UserError("callbacks=distillation is for models of single faces, not of clips")
        networks = read_teachers(self.paths, module)
        module.teachers = Teachers(networks, weight=self._weight, temperature=self._temperature)

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        if stage == "fit":
            self.plan(cast("FerModule", pl_module))

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        teachers = cast("FerModule", pl_module).teachers
        if teachers is not None:
            teachers.to(pl_module.device)
        if trainer.is_global_zero:
            names = ", ".join(map(str, self.paths))
            sys.stdout.write(f"learns {self._weight:.0%} from the answers of {names}\n")
