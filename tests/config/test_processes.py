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
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID", "SUBMITIT_EXECUTOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_JOB_NAME"):
        monkeypatch.delenv(name, raising=False)


def complaint(
    *overrides: str, multirun: bool = True, launcher: str = BASIC, check_only: bool = False
) -> str | None:
    trainer: Any = compose("train", ["data=synthetic", *overrides]).trainer
    problem = misfit(trainer, launcher, multirun=multirun, check_only=check_only)
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


def test_a_login_machine_checks_what_it_can_not_start() -> None:
    nodes = ("trainer=ddp", "trainer.num_nodes=4", "trainer.devices=8")
    assert complaint(*nodes, multirun=False, check_only=True) is None
    shared = ("trainer=ddp_cpu", "trainer.sync_batchnorm=true")
    told = complaint(*shared, multirun=False, check_only=True)
    assert told is not None
    assert "GPUs alone can share batch statistics" in told


def test_slurm_starts_torchrun_and_not_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own tasks would each take themselves for the first."""
    nodes = ("trainer=ddp", "trainer.num_nodes=2")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    told = complaint(*nodes, multirun=False)
    assert told is not None
    assert "srun --ntasks-per-node=1 torchrun" in told
    assert complaint("trainer=gpu", multirun=False) is None
    assert complaint("trainer=ddp_cpu", multirun=False) is not None
    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")
    assert complaint("trainer=ddp_cpu", multirun=False) is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert complaint(*nodes, multirun=False) is None


@pytest.mark.parametrize(
    ("environment", "follows"),
    [
        ({}, False),
        ({"LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1"}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, False),
        # The first process of the second machine.
        ({"RANK": "2", "LOCAL_RANK": "0"}, True),
        # Two trainings side by side, say of an agent on each.
        ({"SLURM_PROCID": "1"}, False),
        ({"SLURM_PROCID": "1", "SUBMITIT_EXECUTOR": "slurm"}, True),
        ({"SLURM_PROCID": "1", "SUBMITIT_EXECUTOR": "slurm", "RANK": "0"}, False),
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
