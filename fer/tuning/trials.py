"""The trials of a search: commands side by side, watched epoch by epoch."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer import locks
from fer.children import environment_of, signals_interrupt, stop, without_bar
from fer.errors import UserError
from fer.tuning.memory import Memory, values_of
from fer.tuning.plan import Plan
from fer.tuning.progress import Progress
from fer.tuning.results import write

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


@dataclass(slots=True)
class _State:
    #: Begun before, and not ended.
    waiting: list[Trial]
    working: list[_Working] = field(default_factory=list)
    #: Those in whose folders processes of a search that was killed still work.
    busy: list[Trial] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


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
    handle = locks.take(plan.folder / "search.lock")
    if handle is None:
        raise UserError(f"another process searches in {plan.folder}: wait for it, or name another "
            "folder by hydra.run.dir=FOLDER")  # fmt: skip
    try:
        memory = Memory(plan)
        state = _State(memory.going_on())
        with signals_interrupt(), Progress(plan, memory) as progress:
            try:
                while _look(plan, memory, state, progress, python):
                    time.sleep(interval)
            finally:
                stop([one.process for one in state.working])
        return state.failures
    finally:
        locks.release(handle)


def _look(
    plan: Plan, memory: Memory, state: _State, progress: Progress, python: Sequence[str]
) -> bool:
    """Take down what has happened and begin what there is room for; say whether more is to come."""
    for one in list(state.working):
        number = one.trial.number
        code = one.process.poll()
        if not _is_promising(plan, one.trial):
            stop([one.process])
            _end(plan, memory, one.trial, "stopped", progress)
        elif code is None:
            continue
        elif code == 0:
            _end(plan, memory, one.trial, "done", progress)
        elif (code < 0 or code == _INTERRUPTED) and _may_go_on(plan, one.trial):
            progress.say(f"trial {number}: killed (code {code}), goes on")
            state.waiting.insert(0, one.trial)
        else:
            _failed(plan, memory, state, one.trial, code, progress)
        state.working.remove(one)
    jobs, state.busy = plan.options["jobs"], []
    for trial in list(state.waiting):
        if len(state.working) + len(state.busy) < jobs:
            _begin(plan, memory, state, trial, progress, python)
    while (
        len(state.working) + len(state.busy) < jobs
        and not state.waiting
        and len(memory.trials()) < plan.options["trials"]
    ):
        state.waiting.append(memory.new())
        _begin(plan, memory, state, state.waiting[-1], progress, python)
    progress.show([one.trial.number for one in state.working], [t.number for t in state.busy])
    return bool(state.working or state.waiting)


def _begin(
    plan: Plan,
    memory: Memory,
    state: _State,
    trial: Trial,
    progress: Progress,
    python: Sequence[str],
) -> None:
    """Begin a trial, or go on with it, as soon as nobody else works in its folder."""
    handle = locks.take(plan.lock(trial.number))
    if handle is None:
        state.busy.append(trial)
        return
    try:
        state.waiting.remove(trial)
        # What happened while nobody looked.
        if not _is_promising(plan, trial):
            _end(plan, memory, trial, "stopped", progress)
        elif _best(plan, trial.number) is not None:
            _end(plan, memory, trial, "done", progress)
        else:
            taken = {one.slot for one in state.working}
            slot = next(n for n in range(plan.options["jobs"]) if n not in taken)
            process = _start(plan, trial, slot, python, handle)
            state.working.append(_Working(trial, process, slot))
    finally:
        locks.release(handle)


def _start(
    plan: Plan, trial: Trial, slot: int, python: Sequence[str], handle: int
) -> subprocess.Popen[bytes]:
    folder = plan.trial_folder(trial.number)
    place = '"' + str(folder).replace('"', '\\"') + '"'
    own = ["test=false", "trainer.enable_progress_bar=false", "resume=auto"]
    line = [*plan.arguments(values_of(trial, plan.space)), *own, f"hydra.run.dir={place}"]
    environment = environment_of(plan.options["jobs"])
    if (gpus := plan.options["gpus"]) is not None:
        environment["CUDA_VISIBLE_DEVICES"] = str(slot % gpus)
    log = plan.log(trial.number)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own module
            [*python, *plan.command(), *line],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            # The terminal's interrupt is for the search, which hands it on once.
            start_new_session=True,
            pass_fds=() if os.name == "nt" else (handle,),
        )


def _is_promising(plan: Plan, trial: Trial) -> bool:
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
    """Return the finished epochs of a trial, from 0 on, and the metric of each that was validated."""
    path = plan.trial_folder(number) / "history.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get(plan.monitor)]
    return [(int(row["epoch"]) - 1, float(row[plan.monitor])) for row in rows]


def _best(plan: Plan, number: int) -> float | None:
    """Return the metric of the best checkpoint of a trial that has ended well."""
    path: Path = plan.trial_folder(number) / "metrics.json"
    if not path.is_file():
        return None
    value: float | None = json.loads(path.read_text(encoding="utf-8")).get(plan.monitor)
    return value


def _end(plan: Plan, memory: Memory, trial: Trial, end: str, progress: Progress) -> None:
    value = _best(plan, trial.number) if end == "done" else None
    # Without a validated epoch there is nothing to compare.
    memory.end(trial, "failed" if end == "done" and value is None else end, value)
    write(plan, memory.trials())
    progress.ended(trial.number)


def _may_go_on(plan: Plan, trial: Trial) -> bool:
    """Count how often a trial was killed; it may go on until that was too often."""
    count = trial.user_attrs.get("restarts", 0) + 1
    trial.set_user_attr("restarts", count)
    return bool(count <= plan.options["restarts"])


def _failed(
    plan: Plan, memory: Memory, state: _State, trial: Trial, code: int, progress: Progress
) -> None:
    said = without_bar(plan.log(trial.number))[-_LINES:]
    if any(line.startswith(DIVERGED) for line in said):
        # No failure, but the worst that values can do.
        _end(plan, memory, trial, "diverged", progress)
        return
    shown = "".join(f"\n    {line}" for line in said)
    what = f"trial {trial.number} ended with code {code}; the end of {plan.log(trial.number)}:"
    state.failures.append(f"{what}{shown}")
    progress.say(f"FAILED: {what}{shown}")
    _end(plan, memory, trial, "failed", progress)
