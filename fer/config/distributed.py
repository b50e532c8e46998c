"""The processes of a distributed training: the first speaks, the others are silent.

torchrun starts all at once and ends all when one fails. Lightning starts the others by the first
one's command, once that has checked everything, and ends all when one fails.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig

from fer.config.issues import ConfigIssue
from fer.config.overrides import key_of

#: How long a process that fails waits for the first one, which usually fails alike and says so.
_GRACE: Final = 10.0


def is_nonzero_rank() -> bool:
    """Return True if this process of a distributed training is not the first."""
    for name in ("RANK", "LOCAL_RANK"):
        if name in os.environ:
            return int(os.environ[name]) > 0
    # SLURM's own number is of what it has started: by hydra/launcher=submitit_slurm these are the
    # processes of a training, otherwise they may be anything.
    by_submitit = os.environ.get("SUBMITIT_EXECUTOR") == "slurm"
    return by_submitit and int(os.environ.get("SLURM_PROCID", "0")) > 0


def torchrun_world_size() -> int | None:
    """Return how many processes torchrun has started in all, or None where it has not."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else None


def become_silent() -> None:
    """Print nothing from now on; started by Lightning, ignore Ctrl-C and end with the parent."""
    # Never closed: the process writes to it until its end.
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if torchrun_world_size() is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def wait_for_first_rank() -> None:
    """Let the end of the first process end this one; otherwise this one has failed alone."""
    time.sleep(_GRACE)


def process_issues(
    config: DictConfig, overrides: Sequence[str], *, multirun: bool
) -> list[ConfigIssue]:
    """Check that the processes a run asks for can be started in this way."""
    if "trainer" not in config:
        return []
    trainer, issues = config.trainer, []
    if not config.check_only and not multirun:
        issues += _unstarted(trainer)
        issues += _under_torchrun(config, overrides)
    if trainer.sync_batchnorm and trainer.accelerator in ("cpu", "mps"):
        what = "GPUs alone can share batch statistics: set false"
        issues.append(ConfigIssue("needs_gpus", "trainer.sync_batchnorm", what))
    # SLURM starts the processes of each job itself.
    launcher = str(config.hydra.launcher.get("_target_"))
    several = _has_several(trainer) or (torchrun_world_size() or 1) > 1
    if multirun and several and not launcher.endswith("SlurmLauncher"):
        # Lightning starts the others by the whole command: each would run the whole sweep.
        what = (
            "a sweep can't start several processes a run: choose one device a job "
            "(trainer.devices=1), hydra/launcher=submitit_slurm, or one command a run, as "
            "torchrun --nproc-per-node N -m fer.train …"
        )
        issues.append(ConfigIssue("sweep_of_processes", "-m", what))
    return issues


def _under_torchrun(config: DictConfig, overrides: Sequence[str]) -> list[ConfigIssue]:
    """Check what every process of torchrun's must know or would do at the same time."""
    if (torchrun_world_size() or 1) == 1:
        return []
    issues = []
    if "hydra.run.dir" not in map(key_of, overrides):
        what = "every process of torchrun's must know the run folder: hydra.run.dir=FOLDER"
        issues.append(ConfigIssue("run_folder_needed", "hydra.run.dir", what))
    distillation = config.callbacks.get("distillation") or {}
    if distillation.get("out_of_fold"):
        key = "callbacks.distillation.out_of_fold"
        what = "one process makes the answers: train without torchrun, then name soft_targets"
        issues.append(ConfigIssue("not_under_torchrun", key, what))
    return issues


def _unstarted(trainer: Mapping[str, Any]) -> list[ConfigIssue]:
    """Check that something starts the processes of a run."""
    if torchrun_world_size() or not _has_several(trainer):
        return []
    # In jobs of these names, which are sessions at a terminal, Lightning starts them itself.
    at_terminal = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    if "SLURM_NTASKS" in os.environ and not at_terminal:
        # Lightning would take SLURM's tasks for these, and nobody has told them where the run is.
        what = (
            "in a SLURM job, torchrun starts the processes, once on each machine: srun "
            "--ntasks-per-node=1 torchrun … -m fer.train … (docs/scale.md has the whole script)"
        )
        return [ConfigIssue("needs_torchrun", "trainer.devices", what)]
    if trainer["num_nodes"] > 1:
        what = "several machines need torchrun on each of them (docs/scale.md has the commands)"
        return [ConfigIssue("needs_torchrun", "trainer.num_nodes", what)]
    return []


def _has_several(trainer: Mapping[str, Any]) -> bool:
    devices = trainer["devices"]
    if trainer["num_nodes"] > 1:
        return True
    if devices in ("auto", -1):  # All GPUs; the processor is a single one.
        return trainer["accelerator"] not in ("cpu", "mps")
    return (devices if isinstance(devices, int) else len(devices)) > 1
