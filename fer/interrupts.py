"""Ctrl-C and SIGTERM between two steps, not in the middle of writing one down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupts:
    """Holds Ctrl-C back while a step is written down; use it as a context manager around the work.

    Outside :meth:`held`, Ctrl-C raises ``KeyboardInterrupt`` as ever. A second one always does.
    SIGTERM, which would end the process on the spot and leave half a file behind, counts as Ctrl-C
    unless others handle it. Where signals can't be caught (in a thread), or are ignored, nothing is
    changed.
    """

    def __init__(self) -> None:
        self._is_held = False
        self._is_waiting = False

    def __enter__(self) -> Interrupts:
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
    def held(self) -> Iterator[None]:
        """Hold one Ctrl-C back until the block's end, where it is raised."""
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
