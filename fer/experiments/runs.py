"""A run folder and the commands that fill it; what is finished there is not run again."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from fer.config.overrides import quoted
from fer.config.run_folder import BEST
from fer.core.holdout_access import ACCESS_LOG
from fer.core.text import format_duration
from fer.experiments.runner import Command, Failure, Progress, run_tasks

Step = Literal["training", "evaluation", "baseline"]

_MODULES: Final[Mapping[Step, str]] = {
    "training": "fer.train", "evaluation": "fer.evaluate", "baseline": "fer.baseline",
}  # fmt: skip

#: About how long an evaluation takes, in epochs of training: alone, and with robustness.
_EVALUATION: Final = (1, 4)
_BASELINE: Final = 4


@dataclass(frozen=True, slots=True)
class Job:
    """One command.

    Attributes:
        step: what it does.
        folder: where its files lie.
        overrides: of the command, without the folder.
        epochs: of a training.
        test: it scores the test split.
        robustness: of an evaluation, that it measures it.
        faces: of the validation split that it measures it on; None for all.
    """

    step: Step
    folder: Path
    overrides: tuple[str, ...]
    epochs: int = 0
    test: bool = False
    robustness: bool = False
    faces: int | None = None

    @property
    def module(self) -> str:
        """The module that Python runs."""
        return _MODULES[self.step]

    @property
    def log(self) -> Path:
        """The file that its output is appended to."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def work(self) -> int:
        """About how long it takes, in epochs of training."""
        if self.step == "training":
            return self.epochs
        return _BASELINE if self.step == "baseline" else _EVALUATION[self.robustness]

    def is_finished(self) -> bool:
        """Return True if the folder holds what the command makes."""
        metrics = metrics_in(self.folder)
        if metrics is None:
            return False
        if self.step == "training":
            # One that was ended by trainer.max_time is to be resumed.
            return "ended_by" not in metrics
        if self.robustness and self.test:
            config = yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))
            if metrics.get("robustness") is None or config["robustness_faces"] != self.faces:
                return False
        if self.step == "baseline":
            return "official" in metrics or not self.test
        judged = metrics.get("fingerprints", {}).get("checkpoint")
        return bool(judged == _sha256(self.folder.parent / BEST))


@dataclass(frozen=True, slots=True)
class Run:
    """One seed of a row.

    Attributes:
        row: the row's name.
        seed: of everything that is drawn.
        folder: where it lies.
        jobs: the commands that make it, one after the other.
        stale: the folder holds a run of another configuration, which is to be replaced.
        found: :func:`configurations` of the folder at the time when that was found out.
    """

    row: str
    seed: int
    folder: Path
    jobs: tuple[Job, ...]
    stale: bool = False
    found: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.row} seed {self.seed}"

    @property
    def judgement(self) -> Path:
        """The folder with metrics and predictions of the test split."""
        return self.folder / "evaluation" if self.jobs[-1].step != "baseline" else self.folder

    def next_job(self) -> Job | None:
        """Return the first command that is not finished; None where all are."""
        return next((job for job in self.jobs if not job.is_finished()), None)


def run_missing(
    runs: Sequence[Run],
    *,
    jobs: int,
    threads: int | None = None,
    interval: float = 0.5,
    python: Sequence[str] = (sys.executable,),
) -> list[Failure]:
    """Run every command that is missing and return those that failed.

    A command that fails ends its run; the other runs continue.

    Args:
        runs: in the order in which they begin.
        jobs: how many commands run at a time.
        threads: of each command, see :func:`fer.experiments.runner.run_tasks`.
        interval: seconds between two looks.
        python: the interpreter.

    Raises:
        KeyboardInterrupt: the user, or a signal, stopped it; so were the commands.
        OSError: a file can't be written, or a process not be started.
    """
    tasks = [_RunTask(run) for run in runs]
    missing = [task for task in tasks if not task.is_done()]
    if not missing:
        return []

    def done() -> tuple[float, int]:
        return sum(task.work() for task in tasks), sum(task.is_done() for task in tasks)

    total = sum(job.work for run in runs for job in run.jobs)
    with Progress(total, len(runs), "runs", done) as progress:
        for task in missing:
            task.progress = progress
        run_tasks(
            missing,
            jobs=jobs,
            progress=progress,
            threads=threads,
            interval=interval,
            python=python,
        )
    return [task.failure for task in missing if task.failure is not None]


class _RunTask:
    """A run as a task of the runner."""

    progress: Progress

    def __init__(self, run: Run) -> None:
        self.run, self.name, self.stale = run, run.name, run.stale
        self.lock = run.folder.with_name(f"{run.folder.name}.lock")
        self.failure: Failure | None = None
        self.job: Job | None = None
        # Kept here, since finding it out reads a checkpoint.
        self.finished = {job.folder for job in run.jobs if not run.stale and job.is_finished()}

    def is_done(self) -> bool:
        return len(self.finished) == len(self.run.jobs)

    def work(self) -> float:
        """Return the work done, in epochs."""
        done = sum(job.work for job in self.run.jobs if job.folder in self.finished)
        job = self.job
        return done + (min(job.work, epochs_in(job.folder)) if job and job.epochs else 0)

    def next_command(self, _slot: int) -> Command | None:
        if self.stale:
            self.stale = False
            # If the configurations changed since, another table has replaced the run already.
            if configurations(self.run.folder) == self.run.found:
                _empty(self.run.folder)
        job = self.job = self.run.next_job()
        if job is None:
            self.finished = {one.folder for one in self.run.jobs}
            return None
        overrides = [*job.overrides, f"hydra.run.dir={quoted(job.folder)}"]
        if job.step == "training":
            overrides.append("resume=auto")
        else:
            # It was broken off, or is of another checkpoint.
            _empty(job.folder)
        return Command(f"{self.name} {job.step}", ["-m", job.module, *overrides], job.log)

    def should_stop(self) -> bool:
        return False

    def ended(self, code: int | None, seconds: float) -> bool:
        job, self.job = self.job, None
        assert job is not None  # noqa: S101 - it has run
        assert code is not None  # noqa: S101 - nothing is stopped early
        if code == 0 and job.is_finished():
            self.finished.add(job.folder)
            self.progress.say(f"{self.name}: {job.step} done in {format_duration(seconds)}")
            return self.run.next_job() is not None
        self.failure = Failure(f"{self.name}: {job.step}", code, job.log)
        self.progress.say(f"FAILED: {self.failure}")
        return False


def _empty(folder: Path) -> None:
    """Remove what a folder holds, except the log of accesses to the test split."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != ACCESS_LOG:
            path.unlink(missing_ok=True)


def configurations(folder: Path) -> tuple[tuple[str, int], ...]:
    """Return which configurations lie in a folder and below, and when each was written."""
    paths = sorted(folder.rglob("config.yaml"))
    return tuple((str(path), path.stat().st_mtime_ns) for path in paths)


def metrics_in(folder: Path) -> Mapping[str, Any] | None:
    """Return the metrics of a run; None where it has none yet."""
    path = folder / "metrics.json"
    if not path.is_file():
        return None
    metrics: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return metrics


def epochs_in(folder: Path) -> int:
    """Return how many epochs a training has finished."""
    return len(history_in(folder))


def history_in(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a training's ``history.csv``, one an epoch; none where it is missing."""
    path = folder / "history.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
