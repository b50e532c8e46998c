"""Ctrl-C between two steps, not in the middle of writing one down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Holds Ctrl-C back while a step is written down; use it as a context manager around the work.

    Outside :meth:`held`, Ctrl-C raises ``KeyboardInterrupt`` as ever. A second one always does.
    Where signals can't be caught (in a thread), or are ignored, nothing is changed.
    """

    def __init__(self) -> None:
        self._is_held = False
        self._is_waiting = False

    def __enter__(self) -> Interrupts:
        self._before = None
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._before = signal.signal(signal.SIGINT, self._came)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

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
