"""What can't start several processes is refused; who speaks is told by the environment."""

from __future__ import annotations

import pytest

from fer.config.compose import compose
from fer.config.distributed import is_nonzero_rank, process_issues, torchrun_world_size

SLURM = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID", "SUBMITIT_EXECUTOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_JOB_NAME"):
        monkeypatch.delenv(name, raising=False)


def found(line: str, *, multirun: bool = False, launcher: str = "") -> list[tuple[str, str]]:
    overrides = ["data=synthetic", *line.split()]
    config = compose("train", overrides)
    config.hydra.launcher._target_ = launcher
    issues = process_issues(config, overrides, multirun=multirun)
    return [(issue.code, issue.key) for issue in issues]


@pytest.mark.parametrize(
    ("line", "several"),
    [
        ("trainer=ddp_cpu", True),
        ("trainer=ddp", True),
        ("trainer=gpu trainer.devices=-1", True),
        ("trainer=gpu trainer.devices=auto", True),
        ("trainer=gpu trainer.devices=[0,1]", True),
        ("trainer=cpu trainer.devices=3", True),
        ("trainer=cpu", False),
        ("trainer=gpu", False),
        ("trainer=auto", False),
        ("trainer=cpu trainer.devices=auto", False),
        ("trainer=gpu trainer.devices=[1]", False),
        ("trainer=ddp trainer.devices=1", False),
    ],
)
def test_a_sweep_of_several_processes_a_run_is_refused(line: str, several: bool) -> None:
    assert found(line, multirun=True) == ([("sweep_of_processes", "-m")] if several else [])
    assert found(line) == found(line, multirun=True, launcher=SLURM) == []


def under_torchrun(monkeypatch: pytest.MonkeyPatch, processes: int = 2) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("WORLD_SIZE", str(processes))


def test_several_machines_need_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = "trainer=ddp trainer.num_nodes=2"
    assert found(nodes) == [("needs_torchrun", "trainer.num_nodes")]
    # A login machine checks what it can't start.
    assert found(f"{nodes} check_only=true") == []
    under_torchrun(monkeypatch)
    assert torchrun_world_size() == 2
    assert found(f"{nodes} hydra.run.dir=run") == []
    assert found("trainer=cpu", multirun=True) == [("sweep_of_processes", "-m")]


def test_every_process_of_torchrun_must_know_the_run_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    under_torchrun(monkeypatch)
    assert found("trainer=ddp") == [("run_folder_needed", "hydra.run.dir")]
    assert found("trainer=ddp check_only=true") == []
    key = "callbacks.distillation.out_of_fold"
    line = f"hydra.run.dir=run callbacks=[default,distillation] {key}=true"
    assert found(line) == [("not_under_torchrun", key)]
    under_torchrun(monkeypatch, processes=1)
    assert found("trainer=cpu") == []


def test_slurm_starts_torchrun_and_not_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own tasks would each take themselves for the first."""
    monkeypatch.setenv("SLURM_NTASKS", "2")
    refused = [("needs_torchrun", "trainer.devices")]
    assert found("trainer=ddp trainer.num_nodes=2") == found("trainer=ddp_cpu") == refused
    assert found("trainer=gpu") == []
    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")
    assert found("trainer=ddp_cpu") == []


def test_gpus_alone_share_batch_statistics() -> None:
    for more in ("", " check_only=true"):
        line = f"trainer=ddp_cpu trainer.sync_batchnorm=true{more}"
        assert found(line) == [("needs_gpus", "trainer.sync_batchnorm")]


@pytest.mark.parametrize(
    ("environment", "silent"),
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
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], silent: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_nonzero_rank() == silent
