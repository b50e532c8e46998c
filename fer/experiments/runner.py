"""Run what is missing of a table: commands side by side, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fer.core import locks
from fer.core.holdout_access import ACCESS_LOG
from fer.core.process import child_environment, interrupt_on_signals, log_lines, stop_processes
from fer.experiments.progress import Progress
from fer.experiments.runs import Job, Run, configurations

#: Seconds between two looks at what runs.
_INTERVAL: Final = 0.5

#: Lines of a failed command's output that are shown.
_LINES: Final = 6


@dataclass(frozen=True, slots=True)
class Failure:
    """A command that did not end well.

    Attributes:
        run: whose it is.
        job: the command.
        code: its exit code.
    """

    run: Run
    job: Job
    code: int

    def __str__(self) -> str:
        shown = "".join(f"\n    {line}" for line in log_lines(self.job.log)[-_LINES:])
        what = f"{self.run.name}: {self.job.step} ended with code {self.code}"
        return f"{what}; the end of {self.job.log}:{shown}"


@dataclass(slots=True)
class _Working:
    run: Run
    job: Job
    process: subprocess.Popen[bytes]
    since: float


@dataclass(slots=True)
class _State:
    waiting: list[Run]
    working: list[_Working] = field(default_factory=list)
    #: Runs of others' processes, in whose folders nothing is done until those have ended.
    busy: list[Run] = field(default_factory=list)
    #: Stale runs whose folders were removed.
    renewed: list[Run] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def run_missing(
    runs: Sequence[Run],
    *,
    jobs: int,
    threads: int | None = None,
    interval: float = _INTERVAL,
    python: Sequence[str] = (sys.executable,),
) -> list[Failure]:
    """Run every command that is missing and return those that failed.

    A command that fails ends its run; the others go on. A folder that another process works in is
    waited for.

    Args:
        runs: in the order in which they begin.
        jobs: how many commands at a time.
        threads: of each, where nobody has said otherwise; by default one where there are several
            commands at a time.
        interval: seconds between two looks.
        python: the interpreter that runs the modules.

    Raises:
        KeyboardInterrupt: the user, or a signal, stopped it: the commands were stopped too.
        OSError: a file cannot be written, or a process not be started.
    """
    state = _State([run for run in runs if run.stale or run.next_job() is not None])
    if not state.waiting:
        return []
    environment = child_environment(jobs, threads=threads)
    with interrupt_on_signals(), Progress(runs) as progress:
        try:
            while state.waiting or state.working:
                for one in [w for w in state.working if w.process.poll() is not None]:
                    _end(state, one, progress)
                _begin(state, jobs, environment, python, progress)
                progress.show([(w.run, w.job) for w in state.working], state.busy)
                if state.waiting or state.working:
                    time.sleep(interval)
        finally:
            stop_processes([one.process for one in state.working])
    return state.failures


def _begin(
    state: _State,
    jobs: int,
    environment: Mapping[str, str],
    python: Sequence[str],
    progress: Progress,
) -> None:
    """Start commands where there is room."""
    state.busy.clear()
    for run in list(state.waiting):
        if len(state.working) + len(state.busy) >= jobs:
            break
        handle = locks.try_lock(run.lock)
        if handle is None:
            state.busy.append(run)
            continue
        try:
            state.waiting.remove(run)
            if run.stale and run not in state.renewed:
                # What another table has made since is not of that configuration any more.
                if configurations(run.folder) == run.found:
                    _empty(run.folder)
                state.renewed.append(run)
            if (job := run.next_job()) is None:
                # Another table has made it in the meantime.
                progress.found(run)
            else:
                process = _start(job, environment, python, handle)
                state.working.append(_Working(run, job, process, time.monotonic()))
        finally:
            locks.unlock(handle)


def _start(
    job: Job, environment: Mapping[str, str], python: Sequence[str], handle: int
) -> subprocess.Popen[bytes]:
    overrides = [*job.overrides, f"hydra.run.dir={_quoted(job.folder)}"]
    if job.step == "training":
        overrides.append("resume=auto")
    else:
        # Begun and broken off, or of another checkpoint.
        _empty(job.folder)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own modules
            [*python, "-m", job.module, *overrides],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            # The terminal's interrupt is for the table, which hands it on once.
            start_new_session=True,
            pass_fds=() if os.name == "nt" else (handle,),
        )


def _empty(folder: Path) -> None:
    """Remove what a folder holds but its looks at the test split, which stay taken."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != ACCESS_LOG:
            path.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    """Quote a path for Hydra's grammar."""
    return '"' + str(path).replace('"', '\\"') + '"'


def _end(state: _State, one: _Working, progress: Progress) -> None:
    """Note how a command ended, and let its run go on."""
    state.working.remove(one)
    code = one.process.wait()
    if code == 0 and one.job.is_finished():
        progress.ended(one.run, one.job, time.monotonic() - one.since)
        if one.run.next_job() is not None:
            # Before other runs begin.
            state.waiting.insert(0, one.run)
        return
    failure = Failure(one.run, one.job, code)
    state.failures.append(failure)
    progress.say(f"FAILED: {failure}")
