"""Commands of ours that run in processes of their own: how they begin, end and are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

#: Seconds that a process gets to end by itself before it is ended.
_GRACE: Final = 60.0


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes: gently, so that they keep what is finished, then by force."""
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


def environment_of(jobs: int, *, threads: int | None = None) -> dict[str, str]:
    """Return the environment of a command; several have one thread each, as far as not asked for.

    Two processes of one thread outrun one of two.

    Args:
        jobs: how many commands run at a time.
        threads: of each, where nobody has said otherwise.
    """
    if threads is None and jobs > 1:
        threads = 1
    own = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    return {**own, **os.environ}


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let a request to end, or a terminal that is closed, be an interrupt."""
    names = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = {name: signal.signal(name, interrupt) for name in names}
    except ValueError:
        # Not in the main thread, where nobody can listen.
        before = {}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def without_bar(log: Path) -> list[str]:
    """Return the lines of a command's output; of a progress bar, what it showed last."""
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    # A progress bar is one line that was written again and again.
    return [line.rpartition("\r")[2] for line in said]
