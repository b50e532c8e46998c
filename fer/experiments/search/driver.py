"""The trials of a search: commands side by side, watched epoch by epoch."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fer.core import locks
from fer.core.errors import UserError
from fer.core.process import child_environment, interrupt_on_signals, log_lines, stop_processes
from fer.experiments.search.plan import Plan
from fer.experiments.search.progress import Progress
from fer.experiments.search.results import write
from fer.experiments.search.study import Memory, values_of

if TYPE_CHECKING:
    from optuna.trial import Trial

#: Seconds between two looks at what runs.
_INTERVAL: Final = 0.5

#: Lines of a failed command's output that are shown.
_LINES: Final = 6

#: What a training says whose loss is no number; a test holds it to what it says.
DIVERGED: Final = "fer.train: the loss became"

#: The exit code of a command that was interrupted, as a signal's number does.
_INTERRUPTED: Final = 130


@dataclass(slots=True)
class _Working:
    trial: Trial
    process: subprocess.Popen[bytes]
    slot: int


def search(
    plan: Plan, *, interval: float = _INTERVAL, python: Sequence[str] = (sys.executable,)
) -> list[str]:
    """Run the trials that are missing, and return what went wrong with those that failed.

    Args:
        plan: of the search.
        interval: seconds between two looks.
        python: the interpreter that runs the trainings.

    Raises:
        UserError: another process searches in this folder, or its journal can't be read.
        KeyboardInterrupt: the user, or a signal, stopped it: the trials were stopped too, and go
            on the next time.
        OSError: a file cannot be written, or a process not be started.
    """
    handle = locks.try_lock(plan.folder / "search.lock")
    if handle is None:
        raise UserError(
            f"another process searches in {plan.folder}: wait for it, or name another folder by "
            "hydra.run.dir=FOLDER"
        )
    try:
        memory = Memory(plan)
        with interrupt_on_signals(), Progress(plan, memory) as progress:
            running = _Running(plan, memory, progress, python)
            try:
                while running.look():
                    time.sleep(interval)
            finally:
                stop_processes([one.process for one in running.working])
        return running.failures
    finally:
        locks.unlock(handle)


class _Running:
    """A search at work.

    Attributes:
        waiting: trials that were begun before and have not ended.
        working: those whose commands run.
        busy: those in whose folders commands of a search that was killed still work.
        failures: what went wrong.
    """

    def __init__(
        self, plan: Plan, memory: Memory, progress: Progress, python: Sequence[str]
    ) -> None:
        self.plan, self.memory, self.progress, self.python = plan, memory, progress, python
        self.waiting = memory.going_on()
        self.working: list[_Working] = []
        self.busy: list[Trial] = []
        self.failures: list[str] = []

    def look(self) -> bool:
        """Take down what happened and begin what there is room for; say whether more is to come."""
        for one in list(self.working):
            self._watch(one)
        self.busy.clear()
        for trial in list(self.waiting):
            if self._has_room():
                self._begin(trial)
        while (
            self._has_room()
            and not self.waiting
            and len(self.memory.trials()) < self.plan.options["trials"]
        ):
            self.waiting.append(self.memory.new())
            self._begin(self.waiting[-1])
        working = [one.trial.number for one in self.working]
        self.progress.show(working, [trial.number for trial in self.busy])
        return bool(self.working or self.waiting)

    def _has_room(self) -> bool:
        return len(self.working) + len(self.busy) < int(self.plan.options["jobs"])

    def _watch(self, one: _Working) -> None:
        """Take down what became of a command, and end it where it promises little."""
        code = one.process.poll()
        if not is_promising(self.plan, one.trial):
            stop_processes([one.process])
            self._end(one.trial, "stopped")
        elif code is None:
            return
        elif code == 0:
            self._end(one.trial, "done")
        elif (code < 0 or code == _INTERRUPTED) and self._may_go_on(one.trial):
            self.progress.say(f"trial {one.trial.number}: killed (code {code}), goes on")
            self.waiting.insert(0, one.trial)
        else:
            self._failed(one.trial, code)
        self.working.remove(one)

    def _begin(self, trial: Trial) -> None:
        """Begin a trial, or go on with it, as soon as nobody else works in its folder."""
        handle = locks.try_lock(self.plan.lock(trial.number))
        if handle is None:
            self.busy.append(trial)
            return
        try:
            self.waiting.remove(trial)
            # What happened while nobody looked.
            if not is_promising(self.plan, trial):
                self._end(trial, "stopped")
            elif _best(self.plan, trial.number) is not None:
                self._end(trial, "done")
            else:
                self._start(trial, handle)
        finally:
            locks.unlock(handle)

    def _start(self, trial: Trial, handle: int) -> None:
        plan = self.plan
        taken = {one.slot for one in self.working}
        slot = next(n for n in range(plan.options["jobs"]) if n not in taken)
        place = '"' + str(plan.trial_folder(trial.number)).replace('"', '\\"') + '"'
        own = ["test=false", "trainer.enable_progress_bar=false", "resume=auto"]
        line = [*plan.arguments(values_of(trial, plan.space)), *own, f"hydra.run.dir={place}"]
        environment = child_environment(plan.options["jobs"])
        if (gpus := plan.options["gpus"]) is not None:
            environment["CUDA_VISIBLE_DEVICES"] = str(slot % gpus)
        log = plan.log(trial.number)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [*self.python, *plan.command(), *line],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                # The terminal's interrupt is for the search, which hands it on once.
                start_new_session=True,
                pass_fds=() if os.name == "nt" else (handle,),
            )
        self.working.append(_Working(trial, process, slot))

    def _end(self, trial: Trial, end: str) -> None:
        value = _best(self.plan, trial.number) if end == "done" else None
        # Without a validated epoch there is nothing to compare.
        self.memory.end(trial, "failed" if end == "done" and value is None else end, value)
        write(self.plan, self.memory.trials())
        self.progress.ended(trial.number)

    def _may_go_on(self, trial: Trial) -> bool:
        """Count how often a trial was killed; it may go on until that was too often."""
        count = trial.user_attrs.get("restarts", 0) + 1
        trial.set_user_attr("restarts", count)
        return bool(count <= self.plan.options["restarts"])

    def _failed(self, trial: Trial, code: int) -> None:
        log = self.plan.log(trial.number)
        said = log_lines(log)[-_LINES:]
        if any(line.startswith(DIVERGED) for line in said):
            # No failure, but the worst that values can do.
            self._end(trial, "diverged")
            return
        shown = "".join(f"\n    {line}" for line in said)
        what = f"trial {trial.number} ended with code {code}; the end of {log}:{shown}"
        self.failures.append(what)
        self.progress.say(f"FAILED: {what}")
        self._end(trial, "failed")


def is_promising(plan: Plan, trial: Trial) -> bool:
    """Report the epochs that a trial has finished, one by one, until it is to be stopped.

    One by one, since what is decided must not depend on when somebody looked.
    """
    known = trial.storage.get_trial(trial._trial_id).intermediate_values
    if known and trial.should_prune():
        return False
    for epoch, value in epochs_in(plan, trial.number):
        if epoch in known:
            continue
        trial.report(value, epoch)
        if trial.should_prune():
            return False
    return True


def epochs_in(plan: Plan, number: int) -> list[tuple[int, float]]:
    """Return the validated epochs of a trial, from 0 on, with the metric of each."""
    path = plan.trial_folder(number) / "history.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get(plan.monitor)]
    return [(int(row["epoch"]) - 1, float(row[plan.monitor])) for row in rows]


def _best(plan: Plan, number: int) -> float | None:
    """Return the metric of the best checkpoint of a trial that has ended well."""
    path = plan.trial_folder(number) / "metrics.json"
    if not path.is_file():
        return None
    value: float | None = json.loads(path.read_text(encoding="utf-8")).get(plan.monitor)
    return value
