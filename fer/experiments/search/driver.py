"""Runs the trials of a search, each a training in a child process that is watched by epochs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from fer.config.overrides import quoted
from fer.core import locks
from fer.core.errors import UserError
from fer.core.process import log_lines
from fer.experiments.runner import Command, Failure, Progress, run_tasks
from fer.experiments.runs import history_in, metrics_in
from fer.experiments.search.plan import SearchPlan
from fer.experiments.search.results import best_of, describe_trial, write
from fer.experiments.search.study import StudyStore, values_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

#: What a training says whose loss is no number; a test holds it to what it says.
DIVERGED: Final = "fer.train: the loss became"

#: The exit code of a command that was interrupted.
_INTERRUPTED: Final = 130


def search(
    plan: SearchPlan, *, interval: float = 0.5, python: Sequence[str] = (sys.executable,)
) -> tuple[list[FrozenTrial], list[Failure]]:
    """Run the trials that are missing; return all trials, and the commands that failed.

    Args:
        plan: of the search.
        interval: seconds between two looks.
        python: the interpreter that runs the trainings.

    Raises:
        UserError: another process searches in this folder, or its journal can't be read.
        KeyboardInterrupt: the user, or a signal, stopped it: so were the trials, which are resumed
            the next time.
        OSError: a file can't be written, or a process not be started.
    """
    handle = locks.try_lock(plan.folder / "search.lock")
    if handle is None:
        raise UserError(
            f"another process searches in {plan.folder}: wait for it, or name another folder by "
            "hydra.run.dir=FOLDER",
            code="folder_in_use",
            where=str(plan.folder),
        )
    try:
        store = StudyStore(plan)
        failures: list[Failure] = []

        def done() -> tuple[float, int]:
            ended = sum(trial.state.is_finished() for trial in store.trials())
            return ended, ended

        def tasks() -> Iterator[_TrialTask]:
            for trial in store.running():
                yield _TrialTask(store, trial, progress, failures)
            while len(store.trials()) < plan.options["trials"]:
                yield _TrialTask(store, store.ask(), progress, failures)

        count = max(plan.options["trials"], done()[1])
        with Progress(count, count, "trials", done) as progress:
            jobs = plan.options["jobs"]
            run_tasks(tasks(), jobs=jobs, progress=progress, interval=interval, python=python)
        trials = store.trials()
        write(plan, trials)
        return trials, failures
    finally:
        locks.unlock(handle)


class _TrialTask:
    """A trial as a task of the runner."""

    def __init__(
        self, store: StudyStore, trial: Trial, progress: Progress, failures: list[Failure]
    ) -> None:
        self.store, self.trial, self.progress, self.failures = store, trial, progress, failures
        self.plan = store.plan
        self.folder = self.plan.trial_folder(trial.number)
        self.name = f"trial {trial.number}"
        self.lock, self.log = self.folder.with_suffix(".lock"), self.folder.with_suffix(".log")

    def next_command(self, slot: int) -> Command | None:
        # A search that was killed may have missed its end.
        should_stop = self.should_stop()
        if should_stop or metrics_in(self.folder) is not None:
            self._end("stopped" if should_stop else "done")
            return None
        own = ["test=false", "trainer.enable_progress_bar=false", "resume=auto"]
        line = [*self.plan.arguments(values_of(self.plan, self.trial)), *own]
        line.append(f"hydra.run.dir={quoted(self.folder)}")
        gpus = self.plan.options["gpus"]
        environment = {} if gpus is None else {"CUDA_VISIBLE_DEVICES": str(slot % gpus)}
        return Command(self.name, [*self.plan.command(), *line], self.log, environment)

    def should_stop(self) -> bool:
        """Report the finished epochs to Optuna, and return True if it prunes the trial.

        They are reported one by one, so that nothing depends on when somebody looks.
        """
        trial, monitor = self.trial, self.plan.monitor
        known = trial.storage.get_trial(trial._trial_id).intermediate_values
        if known and trial.should_prune():
            return True
        for row in history_in(self.folder):
            epoch = int(row["epoch"]) - 1
            if row.get(monitor) and epoch not in known:
                trial.report(float(row[monitor]), epoch)
                if trial.should_prune():
                    return True
        return False

    def ended(self, code: int | None, _seconds: float) -> bool:
        if code is None:
            self._end("stopped")
        elif code == 0:
            self._end("done")
        elif (code < 0 or code == _INTERRUPTED) and self._may_restart():
            self.progress.say(f"{self.name}: killed (code {code}), is resumed")
            return True
        elif any(line.startswith(DIVERGED) for line in log_lines(self.log)[-6:]):
            # Not a failure, but the worst that values can do.
            self._end("diverged")
        else:
            self.failures.append(Failure(self.name, code, self.log))
            self.progress.say(f"FAILED: {self.failures[-1]}")
            self._end("failed")
        return False

    def _may_restart(self) -> bool:
        count = self.trial.user_attrs.get("restarts", 0) + 1
        self.trial.set_user_attr("restarts", count)
        return bool(count <= self.plan.options["restarts"])

    def _end(self, end: str) -> None:
        value: float | None = None
        if end == "done":
            # That of the best checkpoint; without a validated epoch there is nothing to compare.
            value = (metrics_in(self.folder) or {}).get(self.plan.monitor)
            end = "failed" if value is None else end
        self.store.tell(self.trial, end, value)
        trials = self.store.trials()
        write(self.plan, trials)
        best = best_of(self.plan, trials)
        mark = ", the best so far" if best is not None and best.number == self.trial.number else ""
        self.progress.say(describe_trial(self.plan, trials[self.trial.number]) + mark)
