"""Learn from the answers of networks that have learnt already."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from fer.core.errors import UserError
from fer.data.soft_targets import SoftTargets, read_soft_targets
from fer.learning.module import FerModule
from fer.learning.teachers import StoredAnswers, Teachers, read_teachers
from fer.ranges import PositiveFloat, PositiveShare

if TYPE_CHECKING:
    from fer.data.datamodule import FaceDataModule


class Distillation(Callback):
    """Teach by teachers: a part of the loss is against what they answer.

    See :class:`~fer.learning.teachers.Teacher`. What is validated and tested is the student
    against the labels, as ever.

    Args:
        teachers: checkpoints of ``python -m fer.train`` that answer with the same classes.
        out_of_fold: whether these have left out folds, whose faces alone they are to answer for;
            ``fer.train`` puts soft targets in their place.
        soft_targets: files of answers instead, see :class:`fer.data.soft_targets.SoftTargets`.
        weight: of the loss against their answers, above 0 and at most 1.
        temperature: that their logits and the student's are divided by there, above 0.

    Raises:
        ValueError: there are neither or both.
    """

    def __init__(
        self,
        *,
        teachers: Sequence[str] = (),
        out_of_fold: bool = False,
        soft_targets: Sequence[str] = (),
        weight: PositiveShare = 0.5,
        temperature: PositiveFloat = 1.0,
    ) -> None:
        self._networks = bool(teachers)
        self.paths = [Path(path).expanduser() for path in (*teachers, *soft_targets)]
        self._options = {"weight": weight, "temperature": temperature}
        self._out_of_fold = out_of_fold
        self._soft_targets: SoftTargets | None = None
        if bool(teachers) == bool(soft_targets):
            raise ValueError(
                "distillation takes callbacks.distillation.teachers=[CKPT,…] or "
                "callbacks.distillation.soft_targets=[FILE,…], and one of them alone"
            )

    def plan(self, module: FerModule) -> None:
        """Read the teachers for a student.

        Raises:
            UserError: one can't teach it, or it reads clips or mixes faces that have one target.
            DataError: a file of soft targets can't be used.
            ValueError: a number is out of range.
        """
        if module.reads_clips:
            raise UserError("callbacks=distillation is for models of single faces, not of clips")
        if self._networks:
            module.teacher = Teachers(read_teachers(self.paths, module), **self._options)
            return
        if not module.mixing.is_identity:
            raise UserError(
                "soft targets are of single faces, not of mixed ones: set "
                "augmentation.mixing.mixup and augmentation.mixing.cutmix to 0"
            )
        self._soft_targets = read_soft_targets(self.paths)
        if self._soft_targets.classes != module.classes:
            raise UserError(
                f"{self.paths[0]} has the classes {', '.join(self._soft_targets.classes)}, and the "
                f"data {', '.join(module.classes)}"
            )

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        if stage != "fit":
            return
        module = cast("FerModule", pl_module)
        if self._out_of_fold:
            raise UserError("out-of-fold answers must be stored first, as python -m fer.train does")
        self.plan(module)
        if self._soft_targets is not None:
            data = cast("FaceDataModule", trainer.datamodule)  # type: ignore[attr-defined]
            split = data.faces.splits["train"]
            module.teacher = StoredAnswers(
                torch.from_numpy(split.rows),
                torch.from_numpy(self._soft_targets.of(split)),
                **self._options,
            )

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        teacher = cast("FerModule", pl_module).teacher
        if teacher is not None:
            teacher.to(pl_module.device)
        if trainer.is_global_zero:
            names = ", ".join(map(str, self.paths))
            sys.stdout.write(f"learns {self._options['weight']:.0%} from the answers of {names}\n")
