"""Trainings that come before another one, as its teachers or as its beginning.

``before`` lists the overrides of each. They lie in the run folder, ``before/0``, ``before/1``, …,
and under these names their best checkpoints can be named wherever a training reads one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from fer.config.compose import compose
from fer.config.named import named_checkpoints, with_shipped
from fer.config.problems import ConfigError, Problem
from fer.config.processes import quoted
from fer.config.sources import cleaned_source
from fer.core.errors import UserError
from fer.data.scaling import scaled
from fer.evaluation.out_of_fold import out_of_fold_targets
from fer.evaluation.table.plan import BEST, Job, Run
from fer.evaluation.table.schedule import run_missing

_NAME: Final = re.compile(r"before/(\d+)")

#: What an earlier training is told, unless its overrides say otherwise.
_SETTINGS: Final = ("test=false", "trainer.enable_progress_bar=false")


def check_before(config: DictConfig) -> list[Problem]:
    """Return what is wrong with the trainings that come first, and with what names them."""
    problems = []
    lists = _lists(config)
    for number, overrides in enumerate(lists):
        try:
            earlier = compose("train", [*overrides, *_shared(config)])
        except ConfigError as error:
            problems += [Problem(f"before/{number}: {p.where}", p.what) for p in error.problems]
            continue
        if earlier.before:
            problems.append(Problem(f"before/{number}", "has trainings that come before itself"))
    for where, path in named_checkpoints(config):
        found = _NAME.fullmatch(path)
        if found is not None and int(found[1]) >= len(lists):
            there = f"there are {len(lists)} trainings in before, counted from 0"
            problems.append(Problem(where, f"there is no {path}: {there}"))
    return problems


def make_before(config: DictConfig, folder: Path) -> None:
    """Run what is missing of the trainings that come first, side by side where cores allow.

    Args:
        config: of the training that they come before.
        folder: its run folder.

    Raises:
        KeyboardInterrupt: the user stopped it; finished epochs are kept.
        UserError: one of them failed.
    """
    runs = []
    for number, overrides in enumerate(_lists(config)):
        place = folder / "before" / str(number)
        job = Job("training", place, (*_SETTINGS, *overrides, *_shared(config)))
        runs.append(Run(f"before/{number}", _seed(job), place, (job,)))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    failures = run_missing(runs, jobs=max(1, min(cores or 1, len(runs))))
    if failures:
        raise UserError("\n".join(str(failure) for failure in failures))


def with_paths(config: DictConfig, folder: Path) -> DictConfig:
    """Return a copy of a configuration with paths in place of the names of checkpoints.

    Names are those of earlier trainings and of models that come with the package.

    With ``check_only`` those that have not been trained yet are left out, since nothing is run.

    Args:
        config: the whole configuration.
        folder: the run folder.
    """
    used = config.copy()
    with_shipped(used)
    named = named_checkpoints(config)
    for where, name in named:
        if (found := _NAME.fullmatch(name)) is not None:
            OmegaConf.update(used, where, str(folder / "before" / found[1] / BEST))
    if not config.check_only:
        return used
    left = named_checkpoints(used)
    absent = {where for where, name in left if not Path(name).expanduser().is_file()}
    absent &= {where for where, name in named if _NAME.fullmatch(name)}
    if "init_from" in absent:
        used.init_from = None
    if absent - {"init_from"}:
        del used.callbacks.distillation
    return used


def with_soft_targets(config: DictConfig, folder: Path) -> DictConfig:
    """Return a copy of a configuration whose teachers have answered out of fold, if they are to.

    Their answers are in ``soft_targets.npz`` of the run folder, and are made where they are not.

    Args:
        config: with paths in place of names, see :func:`with_paths`.
        folder: the run folder.

    Raises:
        UserError: a teacher can't answer for these data, or left out no fold; or there is none, or
            there are answers beside it.
    """
    used = config.copy()
    distillation = used.callbacks.get("distillation")
    if distillation is None or not distillation.out_of_fold:
        return used
    if distillation.soft_targets or not distillation.teachers:
        raise UserError(
            "callbacks.distillation.out_of_fold=true has callbacks.distillation.teachers answer: "
            "name these, and no soft_targets, which are answers already"
        )
    path = folder / "soft_targets.npz"
    if not path.is_file():
        faces = scaled(cleaned_source(config).load(), config.data.size, config.data.fit)
        teachers = [Path(teacher).expanduser() for teacher in distillation.teachers]
        out_of_fold_targets(teachers, faces).write(path)
    distillation.update(teachers=[], soft_targets=[str(path)], out_of_fold=False)
    return used


def _lists(config: DictConfig) -> list[list[str]]:
    before = config.get("before")
    found: Any = OmegaConf.to_container(before) if before else []
    return [list(map(str, one)) for one in found]


def _shared(config: DictConfig) -> list[str]:
    """Return what the trainings share, so that they learn from the same faces in the same place."""
    places = {"paths.cache": config.paths.cache, "data.root": config.data.get("root")}
    return [f"{key}={quoted(value)}" for key, value in places.items() if value is not None]


def _seed(job: Job) -> int:
    seeds = [text.partition("=")[2] for text in job.overrides if text.startswith("seed=")]
    return int(seeds[-1]) if seeds else 0
