"""What can't start several processes is refused; who speaks is told by the environment."""

from __future__ import annotations

from typing import Any

import pytest

from fer.config.compose import compose
from fer.config.processes import is_follower, misfit, quoted, torchrun_processes

BASIC, SLURM = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
)


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)


def complaint(*overrides: str, multirun: bool = True, launcher: str = BASIC) -> str | None:
    trainer: Any = compose("train", ["data=synthetic", *overrides]).trainer
    problem = misfit(trainer, launcher, multirun=multirun)
    return problem and f"{problem.where}: {problem.what}"


@pytest.mark.parametrize(
    "overrides",
    [
        ("trainer=ddp_cpu",),
        ("trainer=ddp",),
        ("trainer=gpu", "trainer.devices=-1"),
        ("trainer=gpu", "trainer.devices=auto"),
        ("trainer=gpu", "trainer.devices=[0,1]"),
        ("trainer=gpu", "trainer.devices=2"),
        ("trainer=cpu", "trainer.devices=3"),
    ],
    ids=" ".join,
)
def test_a_sweep_of_several_processes_a_run_is_refused(overrides: tuple[str, ...]) -> None:
    told = complaint(*overrides)
    assert told is not None
    for word in ("-m: ", "trainer.devices=1", "submitit", "torchrun --nproc-per-node"):
        assert word in told
    assert complaint(*overrides, multirun=False) is None
    assert complaint(*overrides, launcher=SLURM) is None


@pytest.mark.parametrize(
    "overrides",
    [
        ("trainer=cpu",),
        ("trainer=gpu",),
        ("trainer=mps",),
        ("trainer=auto",),
        ("trainer=cpu", "trainer.devices=auto"),
        ("trainer=gpu", "trainer.devices=[1]"),
        ("trainer=ddp_cpu", "trainer.devices=1"),
        ("trainer=ddp", "trainer.devices=1"),
    ],
    ids=" ".join,
)
def test_a_sweep_of_one_process_a_run_is_fine(overrides: tuple[str, ...]) -> None:
    assert complaint(*overrides) is None


def test_torchrun_starts_no_sweep_and_several_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = ("trainer=ddp", "trainer.num_nodes=2")
    told = complaint(*nodes, multirun=False)
    assert told is not None
    assert told.startswith("trainer.num_nodes: several machines need torchrun")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert torchrun_processes() == 2
    assert complaint(*nodes, multirun=False) is None
    assert complaint("trainer=cpu") is not None


@pytest.mark.parametrize(
    ("environment", "follows"),
    [
        ({}, False),
        ({"LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1"}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, False),
        # The first process of the second machine.
        ({"RANK": "2", "LOCAL_RANK": "0"}, True),
    ],
)
def test_the_first_process_speaks(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], follows: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_follower() == follows


def test_a_path_is_read_back_as_it_is() -> None:
    path = "a=b, it's [1] {2}/c d.ckpt"
    assert compose("train", ["data=synthetic", f"ckpt_path={quoted(path)}"]).ckpt_path == path
