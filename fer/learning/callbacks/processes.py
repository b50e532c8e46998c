"""The end of several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from fer.core.errors import UserError

#: Seconds in which a process that has broken an exchange off is gone.
_GONE: Final = 1.0

#: Seconds in which the first process notices by itself that another is gone, if it ever does.
_NOTICED: Final = 10.0

#: Seconds between two looks at the others.
_INTERVAL: Final = 0.5

#: The exit code of what is said in one message.
_USAGE_ERROR: Final = 2


class ProcessDiedError(UserError):
    """Another process of the training died; the checkpoints of finished epochs are kept."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; the epochs before are kept: the same with resume=auto goes on")


class EndTogether(Callback):
    """End all processes that Lightning started as soon as one fails or the first is interrupted.

    The others would wait for it in the middle of an exchange, or fail by its absence. Lightning's
    own watch would kill the first process without a word.

    Attributes:
        died: what became of the process that died by itself, in words, if one did.
    """

    def __init__(self) -> None:
        self.died: str | None = None
        self._ending = threading.Event()
        self._watching = False

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        launcher = trainer.strategy.launcher
        if not isinstance(launcher, _SubprocessScriptLauncher) or not launcher.procs:
            return
        if self._watching:
            return
        self._watching = True
        watched = launcher.procs
        launcher.procs = [*watched]
        # Lightning's watch ends when there is nobody left on its list.
        watched.clear()
        threading.Thread(target=self._watch, args=([*launcher.procs],), daemon=True).start()

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        self._ending.set()
        launcher = trainer.strategy.launcher
        if not isinstance(launcher, _SubprocessScriptLauncher):
            return
        # What breaks an exchange off is the end of the other side, not a mistake of this one.
        if isinstance(exception, RuntimeError):
            self.died = _first_dead(launcher.procs, patience=_GONE)
        _kill(launcher.procs)

    def _watch(self, others: Sequence[subprocess.Popen[bytes]]) -> None:
        """Wait for the end of the others; where one dies and nobody notices, end all."""
        while (died := _first_dead(others)) is None:
            if self._ending.wait(_INTERVAL) or all(other.poll() == 0 for other in others):
                return
        # An exchange of processors breaks off at once, one of GPUs may wait for half an hour.
        if self._ending.wait(_NOTICED):
            return
        sys.stderr.write(f"fer.train: {ProcessDiedError(died)}\n")
        sys.stderr.flush()
        _kill(others)
        os._exit(_USAGE_ERROR)


def _kill(others: Sequence[subprocess.Popen[bytes]]) -> None:
    for other in others:
        # One that waits in an exchange hears nothing gentler.
        other.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    for other in others:
        other.wait()


def _first_dead(others: Sequence[subprocess.Popen[bytes]], *, patience: float = 0.0) -> str | None:
    """Return what became of the first process that did not end well, if one does in time."""
    deadline = time.monotonic() + patience
    while True:
        for rank, other in enumerate(others, start=1):
            if other.poll():
                return f"process {rank + 1} of {len(others) + 1} {_how(other.returncode)}"
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.02)


def _how(code: int) -> str:
    """Say how a process ended.

    Example:
        >>> _how(-9), _how(1)
        ('was killed by SIGKILL (often for want of memory)', 'ended with code 1: see above')
    """
    if code >= 0:
        return f"ended with code {code}: see above"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (" (often for want of memory)" if name == "SIGKILL" else "")
