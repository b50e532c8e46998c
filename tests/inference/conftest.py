"""A small network as a checkpoint and as an exported model, made once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from fer.inference import CheckpointModel, OnnxModel, load_checkpoint
from fer.inference.checkpoint import TEMPERATURE
from fer.inference.export import export
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


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("small") / "best.ckpt")


@pytest.fixture(scope="session")
def small_network(small_checkpoint: Path) -> CheckpointModel:
    return load_checkpoint(small_checkpoint)


@pytest.fixture(scope="session")
def small_onnx(tmp_path_factory: pytest.TempPathFactory, small_network: CheckpointModel) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    export(small_network, path, recipe={"version": "test"})
    return path


@pytest.fixture(scope="session")
def exported(small_onnx: Path) -> OnnxModel:
    return OnnxModel(small_onnx, threads=1)
