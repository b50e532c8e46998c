"""The end of several processes."""

from __future__ import annotations

import signal

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher


class EndTogether(Callback):
    """End the processes that Lightning started as soon as the first one fails or is interrupted.

    They would wait for it in the middle of an exchange, or fail by its absence.
    """

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        launcher = trainer.strategy.launcher
        if not isinstance(launcher, _SubprocessScriptLauncher):
            return
        others = [*launcher.procs]
        # Lightning watches this list, and would kill the first process too when others are gone.
        launcher.procs.clear()
        for other in others:
            # One that waits in an exchange hears nothing gentler.
            other.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        for other in others:
            other.wait()
