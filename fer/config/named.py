"""What a training's configuration names as a checkpoint to begin with or to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from fer.config.problems import Problem
from fer.core.errors import UserError
from fer.core.pretrained import is_pretrained_name, weights_path


def named_checkpoints(config: DictConfig) -> list[tuple[str, str]]:
    """Return the keys that name checkpoints to begin with or to learn from, and what they name."""
    keys: Sequence[tuple[str, Any]] = [("init_from", config.get("init_from"))]
    teachers = OmegaConf.select(config, "callbacks.distillation.teachers") or ()
    keys = [*keys, *((f"callbacks.distillation.teachers[{i}]", t) for i, t in enumerate(teachers))]
    return [(key, value) for key, value in keys if isinstance(value, str)]


def check_names(config: DictConfig) -> list[Problem]:
    """Return which models that should come with the package don't."""
    problems = []
    for where, name in named_checkpoints(config):
        try:
            weights_path(name, ".pt")
        except UserError as error:
            problems.append(Problem(where, str(error)))
    return problems


def with_shipped(config: DictConfig) -> DictConfig:
    """Return a copy with paths in place of the names of models that come with the package."""
    used = config.copy()
    for where, name in named_checkpoints(used):
        if is_pretrained_name(name):
            OmegaConf.update(used, where, str(weights_path(name, ".pt")))
    return used
