"""Learn from the answers of trained networks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import nn

from fer.core.errors import UserError
from fer.core.ranges import PositiveFloat, PositiveShare
from fer.data.soft_targets import SoftTargets, read_soft_targets
from fer.learning.checkpoint_io import check_protocol, network_weights, read_checkpoint
from fer.learning.distillation import StoredAnswers, TeacherNetworks
from fer.learning.module import FerModule
from fer.models import BuildError, ClipNetwork, rebuild

if TYPE_CHECKING:
    from fer.data.datamodule import FaceDataModule


class Distillation(Callback):
    """Make a part of the loss that against the answers of teachers.

    See :class:`~fer.learning.distillation.Teacher`. Validation and test compare the student with
    the labels, as always.

    Args:
        teachers: checkpoints of ``python -m fer.train`` that answer with the same classes.
        out_of_fold: whether each of these was trained without one fold and answers for the faces of
            that fold alone; ``fer.train`` replaces them by stored soft targets.
        soft_targets: files of answers instead, see :class:`fer.data.soft_targets.SoftTargets`.
        weight: of the loss against their answers, above 0 and at most 1.
        temperature: above 0; the logits of teacher and student are divided by it in that loss.

    Raises:
        ValueError: neither teachers nor soft targets are given, or both.
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
        self._has_teachers = bool(teachers)
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
            UserError: one can't teach it, or it takes clips or mixes faces that have one target.
            DataError: a file of soft targets can't be used.
            ValueError: a number is out of range.
        """
        if module.takes_clips:
            raise UserError(
                "callbacks=distillation is for models of single faces, not of clips",
                code="not_for_clips",
                where="callbacks.distillation",
            )
        if self._has_teachers:
            module.teacher = TeacherNetworks(read_teachers(self.paths, module), **self._options)
            return
        if not module.mixing.is_identity:
            raise UserError(
                "soft targets are of single faces, not of mixed ones: set "
                "augmentation.mixing.mixup and augmentation.mixing.cutmix to 0",
                code="soft_targets_with_mixing",
                where="augmentation.mixing",
            )
        self._soft_targets = read_soft_targets(self.paths)
        if self._soft_targets.classes != module.classes:
            raise UserError(
                f"{self.paths[0]} has the classes {', '.join(self._soft_targets.classes)}, and the "
                f"data {', '.join(module.classes)}",
                code="other_classes",
                where=str(self.paths[0]),
            )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        module = cast("FerModule", pl_module)
        if self._out_of_fold:
            raise UserError(
                "out-of-fold answers must be stored first, as python -m fer.train does",
                code="out_of_fold_not_stored",
                where="callbacks.distillation.out_of_fold",
            )
        self.plan(module)
        if self._soft_targets is not None:
            data = cast("FaceDataModule", trainer.datamodule)  # type: ignore[attr-defined]
            split = data.faces.splits["train"]
            module.teacher = StoredAnswers(
                torch.from_numpy(split.rows),
                torch.from_numpy(self._soft_targets.of(split)),
                **self._options,
            )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        teacher = cast("FerModule", pl_module).teacher
        if teacher is not None:
            teacher.to(pl_module.device)
        if trainer.is_global_zero:
            names = ", ".join(map(str, self.paths))
            sys.stdout.write(f"learns {self._options['weight']:.0%} from the answers of {names}\n")


def read_teachers(paths: Sequence[Path], module: FerModule) -> list[nn.Module]:
    """Read the networks of checkpoints that may teach a student.

    Args:
        paths: of checkpoints of ``python -m fer.train``.
        module: the student.

    Raises:
        UserError: a file is not such a checkpoint, its network answers with other classes or takes
            clips, faces of another size or metadata, or it was trained on faces that the student
            must not have seen.
    """
    networks = []
    for path in paths:
        stored = read_checkpoint(path)
        options = stored.get("hyper_parameters", {})
        spec, classes = options.get("model", {}), tuple(options.get("classes", ()))
        check_protocol(path, stored, module.invalid, "can't teach")
        if classes != module.classes:
            raise UserError(
                f"{path} answers with the classes {', '.join(classes)}, and the student with "
                f"{', '.join(module.classes)}: a teacher must know the same, in their order",
                code="other_classes",
                where=str(path),
            )
        if options.get("size") != module.size or spec.get("metadata") is not None:
            raise UserError(
                f"{path} reads faces of {options.get('size')} pixels"
                + (" and metadata" if spec.get("metadata") is not None else "")
                + f", and the student those of {module.size} pixels alone: choose another teacher",
                code="other_inputs",
                where=str(path),
            )
        try:
            network, _ = rebuild(
                spec, network_weights(stored), classes=len(classes), size=module.size
            )
        except BuildError as error:
            raise UserError(f"{path}: {error}", code="no_network", where=str(path)) from error
        if isinstance(network, ClipNetwork):
            raise UserError(
                f"{path} reads clips, and the student single faces: choose another",
                code="other_inputs",
                where=str(path),
            )
        networks.append(network.to(memory_format=module.memory_format))
    return networks
