"""A small network as a checkpoint; tests/conftest.py has it exported too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fer.inference.checkpoint import TEMPERATURE
from fer.learning import FerModule
from tests.support.learners import small_module

COLUMNS: Mapping[str, Any] = {
    "age": {"mean": 30.0, "std": 10.0},
    "gender": {"values": ["female", "male"]},
}


def checkpoint(path: Path, *, columns: Mapping[str, Any] | None = None, **marks: Any) -> Path:
    """Write a checkpoint of a network that has learnt nothing, but varied statistics."""
    torch.manual_seed(0)
    module = small_module()
    if columns is not None:
        branch = {"_target_": "fer.models.MetadataBranch", "columns": columns, "units": 8}
        options = dict(module.hparams)
        module = FerModule(**{**options, "model": {**options["model"], "metadata": branch}})
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    stored = {
        "state_dict": module.state_dict(),
        "hyper_parameters": {**module.hparams, **marks},
        TEMPERATURE: 1.7,
    }
    torch.save(stored, path)
    return path
