"""Runs commands side by side, each in a child process, until every task has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from tqdm import tqdm

from fer.core import locks
from fer.core.process import child_environment, interrupt_on_signals, log_lines, stop_processes

#: Lines of a failed command's output that are shown.
_LINES: Final = 6


@dataclass(frozen=True, slots=True)
class Command:
    """One child process.

    Attributes:
        label: what messages call it.
        arguments: of the Python interpreter.
        log: the file that its output is appended to.
        environment: variables that it gets besides those of this process.
    """

    label: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """A command that did not end well: its label, exit code and log."""

    label: str
    code: int
    log: Path

    def __str__(self) -> str:
        shown = "".join(f"\n    {line}" for line in log_lines(self.log)[-_LINES:])
        return f"{self.label} ended with code {self.code}; the end of {self.log}:{shown}"


class Task(Protocol):
    """A folder, and the commands that fill it one after the other."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def lock(self) -> Path:
        """The file that its process locks; while another process does, the task waits."""

    def next_command(self, slot: int) -> Command | None:
        """Return what is to be run now, None where nothing is left; called with the lock held.

        ``slot`` is a number from 0 on that no running task has.
        """

    def should_stop(self) -> bool:
        """Return True to end the running command early; asked again and again."""

    def ended(self, code: int | None, seconds: float) -> bool:
        """Note how the command ended, and return True if the task goes on with another one.

        ``code`` is the exit code, None where the command was stopped early.
        """


class Progress:
    """A bar over all work, with what runs now behind it; the time left is that of the pace so far.

    Args:
        total: of the work.
        count: of the items that it is made of.
        noun: what these are.
        done: returns the work done and the number of items that have ended.
    """

    def __init__(
        self, total: float, count: int, noun: str, done: Callable[[], tuple[float, int]]
    ) -> None:
        self._count, self._noun, self._done = count, noun, done
        self._bar = tqdm(
            total=total,
            initial=done()[0],
            # To a file, a line a minute.
            mininterval=1.0 if sys.stderr.isatty() else 60.0,
            # The pace of a run of hours hardly changes: all of it counts.
            smoothing=0.0,
            bar_format="{percentage:3.0f}%|{bar:16}| {elapsed}<{remaining} {desc}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def show(self, working: Sequence[str], busy: Sequence[str]) -> None:
        """Show which commands run, and in which tasks' folders other processes work."""
        done, ended = self._done()
        text = f"{ended} of {self._count} {self._noun} done; now {', '.join(working) or 'nothing'}"
        if busy:
            text += f"; another process works on {', '.join(busy)}"
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(max(0, done - self._bar.n))

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.write(text, file=sys.stdout)


@dataclass(slots=True)
class _Working:
    task: Task
    label: str
    process: subprocess.Popen[bytes]
    slot: int
    since: float


def run_tasks(
    tasks: Iterable[Task],
    *,
    jobs: int,
    progress: Progress,
    threads: int | None = None,
    interval: float = 0.5,
    python: Sequence[str] = (sys.executable,),
) -> None:
    """Run every command of every task.

    Args:
        tasks: in the order in which they begin; the next is taken when there is room for it.
        jobs: how many commands run at a time. A task whose folder another process works in counts.
        progress: shows what runs.
        threads: of each command, unless the user's environment says otherwise; by default one where
            there are several commands at a time.
        interval: seconds between two looks.
        python: the interpreter.

    Raises:
        KeyboardInterrupt: the user, or a signal, stopped it; so were the commands.
        OSError: a file can't be written, or a process not be started.
    """
    source = iter(tasks)
    environment = child_environment(jobs, threads=threads)
    waiting: list[Task] = []
    working: list[_Working] = []

    def start(task: Task) -> bool:
        """Start the next command of a task; False where another process works in its folder."""
        handle = locks.try_lock(task.lock)
        if handle is None:
            return False
        try:
            slot = next(n for n in range(jobs) if n not in {one.slot for one in working})
            if (command := task.next_command(slot)) is not None:
                process = _start(command, environment, python, handle)
                working.append(_Working(task, command.label, process, slot, time.monotonic()))
            return True
        finally:
            locks.unlock(handle)

    with interrupt_on_signals():
        try:
            while True:
                for one in list(working):
                    # First, so that the task looks at all that an ended command has left.
                    has_ended = one.process.poll() is not None
                    stopped = one.task.should_stop()
                    if not (stopped or has_ended):
                        continue
                    stop_processes([one.process])
                    working.remove(one)
                    code = None if stopped else one.process.returncode
                    if one.task.ended(code, time.monotonic() - one.since):
                        # Before other tasks begin.
                        waiting.insert(0, one.task)
                busy: list[Task] = []
                while len(working) + len(busy) < jobs:
                    task = waiting.pop(0) if waiting else next(source, None)
                    if task is None:
                        break
                    if not start(task):
                        busy.append(task)
                waiting = [*busy, *waiting]
                progress.show([one.label for one in working], [task.name for task in busy])
                if not working and not waiting:
                    return
                time.sleep(interval)
        finally:
            stop_processes([one.process for one in working])


def _start(
    command: Command, environment: Mapping[str, str], python: Sequence[str], handle: int
) -> subprocess.Popen[bytes]:
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with command.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own modules
            [*python, *command.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment, **command.environment},
            # This process gets the terminal's interrupt, and hands it on once.
            start_new_session=True,
            # The lock is held as long as the child lives, even if this process is killed.
            pass_fds=() if os.name == "nt" else (handle,),
        )
