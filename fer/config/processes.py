"""The processes of a distributed training: the first speaks, the others follow it.

Lightning starts the others by the first one's command, once that has checked everything. torchrun
starts all at once: there the others wait until the first has checked everything and recorded its
run, and learn from it where the run folder is, or that nothing is to be run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fer.config.problems import Problem

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

#: What the first process writes for the others; each restart of torchrun's has its own.
_KEY: Final = "fer/first"

#: Longer than data takes to be read.
_PATIENCE: Final = timedelta(hours=2)

#: How long a process that fails waits to be ended by the first one, which fails alike and says so.
_GRACE: Final = 10.0


def is_follower() -> bool:
    """Say whether this is another process of a distributed training than the first."""
    for name in ("RANK", "LOCAL_RANK"):
        if name in os.environ:
            return int(os.environ[name]) > 0
    # SLURM's own number is of what it has started: by hydra/launcher=submitit_slurm these are the
    # processes of a training, otherwise they may be anything.
    by_submitit = os.environ.get("SUBMITIT_EXECUTOR") == "slurm"
    return by_submitit and int(os.environ.get("SLURM_PROCID", "0")) > 0


def torchrun_processes() -> int | None:
    """Return how many processes torchrun has started in all, or None where it has not."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else None


def misfit(
    trainer: Mapping[str, Any], launcher: str, *, multirun: bool, check_only: bool = False
) -> Problem | None:
    """Say what is wrong with these processes, or with starting them in this way, if anything.

    Lightning starts the others by the whole command, so each would run the whole sweep.

    Args:
        trainer: the configuration's node.
        launcher: import path of Hydra's launcher.
        multirun: several runs by one command.
        check_only: no process is to be started, as on a cluster's login machine.
    """
    if not check_only and not multirun and (problem := _unstarted(trainer)) is not None:
        return problem
    if trainer["sync_batchnorm"] and trainer["accelerator"] in ("cpu", "mps"):
        return Problem("trainer.sync_batchnorm", "GPUs alone can share batch statistics: set false")
    # SLURM starts the processes of each job itself.
    if not multirun or launcher.endswith("SlurmLauncher"):
        return None
    if not _has_several(trainer) and (torchrun_processes() or 1) == 1:
        return None
    return Problem(
        "-m",
        "a sweep can't start several processes a run: choose one device a job (trainer.devices=1), "
        "hydra/launcher=submitit_slurm, or one command a run, as "
        "torchrun --nproc-per-node N -m fer.train …",
    )


def _unstarted(trainer: Mapping[str, Any]) -> Problem | None:
    """Say why the processes of a run would not come to be, if they would not."""
    if torchrun_processes() or not _has_several(trainer):
        return None
    # In jobs of these names, which are sessions at a terminal, Lightning starts them itself.
    at_terminal = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    if "SLURM_NTASKS" in os.environ and not at_terminal:
        # Lightning would take SLURM's tasks for these, which nobody has told where the run is.
        what = (
            "in a SLURM job, torchrun starts the processes, once on each machine: srun "
            "--ntasks-per-node=1 torchrun … -m fer.train … (docs/scale.md has the whole script)"
        )
        return Problem("trainer.devices", what)
    if trainer["num_nodes"] > 1:
        what = "several machines need torchrun on each of them (docs/scale.md has the commands)"
        return Problem("trainer.num_nodes", what)
    return None


def follow() -> list[str]:
    """Become a process that follows the first one, and return the overrides that this takes.

    It prints nothing, hears no interrupt that is meant for the first one, and ends with it.

    Raises:
        SystemExit: the first process runs nothing. Its own exit code says why.
    """
    # Never closed: the process writes to it until its end.
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    # Otherwise each process leaves an empty log in the run folder.
    overrides = ["hydra/job_logging=stdout"]
    if torchrun_processes() is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        return overrides
    store = _store()
    told = json.loads(store.get(_key()))
    store.add(f"{_key()}/heard", 1)
    if told is None:
        raise SystemExit(0)
    overrides += ["hydra.output_subdir=null", f"hydra.run.dir={quoted(told['folder'])}"]
    if told["ckpt_path"] is not None:
        overrides.append(f"ckpt_path={quoted(told['ckpt_path'])}")
    return overrides


def let_others_begin(folder: Path, ckpt_path: str | None) -> None:
    """Tell the processes that wait for the first one where its run is."""
    if not is_follower() and torchrun_processes() is not None:
        _tell({"folder": str(folder.resolve()), "ckpt_path": ckpt_path})


def let_others_end() -> None:
    """Tell the processes that still wait for the first one that nothing is run."""
    world = torchrun_processes()
    if is_follower() or world is None:
        return
    store = _tell(None)
    # The first one may hold what the others read from.
    deadline = time.monotonic() + _GRACE
    while store.add(f"{_key()}/heard", 0) < world - 1 and time.monotonic() < deadline:
        time.sleep(0.05)


def wait_for_the_end() -> None:
    """Let the first process end this one; where it does not, this one has failed alone."""
    time.sleep(_GRACE)


def quoted(path: str | Path) -> str:
    """Quote a path for Hydra's grammar, in which = and , have a meaning."""
    return '"' + str(path).replace('"', '\\"') + '"'


def _has_several(trainer: Mapping[str, Any]) -> bool:
    devices = trainer["devices"]
    if trainer["num_nodes"] > 1:
        return True
    if devices in ("auto", -1):  # All GPUs; the processor is a single one.
        return trainer["accelerator"] not in ("cpu", "mps")
    return (devices if isinstance(devices, int) else len(devices)) > 1


def _key() -> str:
    return f"{_KEY}/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"


def _store() -> Store:
    from torch.distributed.rendezvous import rendezvous

    store: Store
    store, _, _ = next(rendezvous("env://", timeout=_PATIENCE))
    return store


def _tell(what: Mapping[str, Any] | None) -> Store:
    store = _store()
    # What was told first holds.
    store.compare_set(_key(), "", json.dumps(what))
    return store


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: it would wait for it in vain."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
