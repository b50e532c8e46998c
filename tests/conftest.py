"""What the tests of commands share, and one thread for all of them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.support.train_command import Answer, Train

if TYPE_CHECKING:
    from fer.inference import CheckpointModel, OnnxModel

# Two threads that wait for each other take many times as long as one. Before torch is imported, and
# inherited by the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples each time, whatever else keeps the machine busy.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where parsed and drawn faces are kept, so that they are made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parsed: Path) -> Path:
    """Work in an empty folder, without data, and leave the process as it was."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("FER_DATA_ROOT", "WANDB_MODE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FER_CACHE", str(parsed))
    monkeypatch.setenv("WANDB_SILENT", "true")
    # Lightning keeps the seed here.
    for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
        monkeypatch.setenv(name, os.environ.get(name, "0"))
    return folder


@pytest.fixture
def clean_process(elsewhere: Path) -> Iterator[None]:
    """Undo what Hydra, Lightning and a training do to a process."""
    import torch
    from hydra.core.global_hydra import GlobalHydra

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    interrupt = signal.getsignal(signal.SIGINT)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    GlobalHydra.instance().clear()
    yield
    GlobalHydra.instance().clear()
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, interrupt)
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def train(
    clean_process: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Train:
    """Run ``python -m fer.train`` with overrides, in this process."""
    from fer.train import main

    def run(*overrides: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["fer.train", *overrides])
        try:
            code: Any = main()
        except SystemExit as end:
            code = end.code
        output = capsys.readouterr()
        return Answer(code, output.out, output.err)

    return run


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a small network that has learnt nothing."""
    from tests.inference.conftest import checkpoint

    return checkpoint(tmp_path_factory.mktemp("small") / "best.ckpt")


@pytest.fixture(scope="session")
def small_network(small_checkpoint: Path) -> CheckpointModel:
    """Its network."""
    from fer.inference import load_checkpoint

    return load_checkpoint(small_checkpoint)


@pytest.fixture(scope="session")
def small_onnx(tmp_path_factory: pytest.TempPathFactory, small_network: CheckpointModel) -> Path:
    """The exported model of it."""
    from fer.inference.export import export

    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    export(small_network, path, recipe={"version": "test"})
    return path


@pytest.fixture(scope="session")
def exported(small_onnx: Path) -> OnnxModel:
    """That model in use."""
    from fer.inference import OnnxModel

    return OnnxModel(small_onnx, threads=1)
