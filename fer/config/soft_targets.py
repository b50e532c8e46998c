"""Teachers that were each trained without a fold answer once, before the student's training."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fer.config.sources import cleaned_source
from fer.core.errors import UserError
from fer.data.scaling import scaled
from fer.evaluation.out_of_fold import out_of_fold_targets


def with_soft_targets(config: DictConfig, folder: Path) -> DictConfig:
    """Return a copy of a configuration in which out-of-fold answers replace the teachers.

    They are ``soft_targets.npz`` of the run folder, computed where that is missing.
    Without ``callbacks.distillation.out_of_fold``, and with ``check_only``, nothing changes.

    Raises:
        UserError: a teacher can't answer for these data, or left out no fold; or there is none, or
            ``soft_targets`` are given too.
    """
    used = config.copy()
    distillation = used.callbacks.get("distillation")
    if distillation is None or not distillation.out_of_fold or config.check_only:
        return used
    if distillation.soft_targets or not distillation.teachers:
        raise UserError(
            "callbacks.distillation.out_of_fold=true has callbacks.distillation.teachers answer: "
            "name these, and no soft_targets, which are answers already",
            code="out_of_fold_without_teachers",
            where="callbacks.distillation.out_of_fold",
        )
    path = folder / "soft_targets.npz"
    if not path.is_file():
        faces = scaled(cleaned_source(config).load(), config.data.size, config.data.fit)
        teachers = [Path(teacher).expanduser() for teacher in distillation.teachers]
        out_of_fold_targets(teachers, faces).write(path)
    distillation.update(teachers=[], soft_targets=[str(path)], out_of_fold=False)
    return used
