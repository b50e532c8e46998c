"""Child processes and their environment, signals, and work that Ctrl-C must not interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

#: Seconds that a process gets to end by itself before it is killed.
_GRACE: Final = 60.0


def stop_processes(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt processes, so that they keep finished work; kill those that do not end."""
    alive = [process for process in processes if process.poll() is None]
    for process in alive:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + _GRACE
    for process in alive:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def child_environment(jobs: int, *, threads: int | None = None) -> dict[str, str]:
    """Return the environment of one of several commands that run at a time.

    Of several ``jobs`` each has one thread by default (two processes of one thread are faster than
    one of two); a variable that the user has set stays.
    """
    if threads is None and jobs > 1:
        threads = 1
    own = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    return {**own, **os.environ}


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into ``KeyboardInterrupt``."""
    names = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = {name: signal.signal(name, interrupt) for name in names}
    except ValueError:
        # Only the main thread can handle signals.
        before = {}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def log_lines(log: Path) -> list[str]:
    """Return the lines of a command's output; of a progress bar, its last state."""
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return [line.rpartition("\r")[2] for line in said]


class InterruptGuard:
    """Context manager that delays Ctrl-C within :meth:`defer_interrupts`; a second one is not.

    SIGTERM counts as Ctrl-C unless others handle it. Where signals can't be caught (in a thread) or
    are ignored, nothing changes.
    """

    def __init__(self) -> None:
        self._is_held = False
        self._is_waiting = False

    def __enter__(self) -> InterruptGuard:
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._came)
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._came)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    @contextmanager
    def defer_interrupts(self) -> Iterator[None]:
        """Delay one Ctrl-C until the end of the block."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._is_waiting:
            self._is_waiting = False
            raise KeyboardInterrupt

    def _came(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_held and not self._is_waiting:
            self._is_waiting = True
        else:
            raise KeyboardInterrupt
