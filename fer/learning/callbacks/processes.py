"""The end of several processes that Lightning started."""

from __future__ import annotations

import signal
import time
from typing import Any, Final

import lightning
from lightning.pytorch.callbacks import Callback

from fer.core.errors import UserError

#: Seconds in which a process that has broken an exchange off is gone.
_GONE: Final = 1.0


class RankDiedError(UserError):
    """Another process of the training died; the checkpoints of finished epochs are kept."""

    def __init__(self) -> None:
        super().__init__(
            "another process of the training died (see above; without a word, often for want of "
            "memory); finished epochs are kept: the same command with resume=auto resumes",
            code="rank_died",
        )


class EndOtherRanks(Callback):
    """End the processes that Lightning started where this one fails: they would wait for it.

    Where one of them dies, Lightning itself ends all.

    Attributes:
        rank_died: whether one of them had died before.
    """

    def __init__(self) -> None:
        self.rank_died = False

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        launcher: Any = trainer.strategy.launcher
        if not (processes := getattr(launcher, "procs", None)):
            return
        # What breaks an exchange off is the end of the other side, not a mistake of this one.
        deadline = time.monotonic() + (_GONE if isinstance(exception, RuntimeError) else 0)
        while not (died := any(one.poll() for one in processes)) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.rank_died = died
        # One that waits in an exchange hears nothing gentler.
        launcher.kill(getattr(signal, "SIGKILL", signal.SIGTERM))
        # Lightning's observer, which reads this list, would take their end for a crash and kill
        # this process too.
        processes.clear()
