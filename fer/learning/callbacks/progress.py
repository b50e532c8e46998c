"""How a training proceeds: its history, the terminal, its speed and its time limit."""

from __future__ import annotations

import csv
import io
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Timer, TQDMProgressBar

from fer.core.io import write_text
from fer.core.text import format_duration


class History(Callback):
    """Keep the numbers of each epoch and write them to ``history.csv``.

    An epoch is recorded when the next begins or the training ends: only then have the module's own
    hooks logged all of it.

    Attributes:
        epochs: one flat mapping an epoch: ``epoch`` (counted from 1), ``lr`` (at its start), and
            every logged metric that is a number. It is stored in the checkpoint, so a resumed run
            has all epochs.
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._running: dict[str, float] | None = None
        self._validated = False

    @classmethod
    def of(cls, trainer: Trainer) -> list[dict[str, float]]:
        """Return the epochs that a trainer's history has recorded."""
        callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        return next((c.epochs for c in callbacks if isinstance(c, cls)), [])

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._record(trainer)
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self._running = {"epoch": trainer.current_epoch + 1, "lr": rate}
        self._validated = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validated = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._record(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs = [dict(epoch) for epoch in state_dict["epochs"]]

    def _record(self, trainer: Trainer) -> None:
        if self._running is None:
            return
        numbers = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            # The trainer still has the last validation's numbers after an epoch without one.
            if name != "train/step_loss" and (self._validated or not name.startswith("val/"))
            # The precision of a class that was never answered.
            if not math.isnan(value)
        }
        self.epochs.append({**self._running, **numbers})
        self._running = None
        if trainer.is_global_zero:
            columns = list(dict.fromkeys(name for epoch in self.epochs for name in epoch))
            text = io.StringIO()
            writer = csv.DictWriter(text, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.epochs)
            write_text(Path(trainer.default_root_dir) / "history.csv", text.getvalue())


class EpochLogLines(Callback):
    """Print a line an epoch, in place of a progress bar, for files and pipes.

    It must stand behind :class:`History` in the list, whose numbers it prints.
    """

    def __init__(self) -> None:
        self._printed = self._first = 0
        self._start = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._printed = self._first = len(History.of(trainer))
        self._start = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._print(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._print(trainer)

    def _print(self, trainer: Trainer) -> None:
        epochs = History.of(trainer)
        for epoch in epochs[self._printed :]:
            seconds = (time.monotonic() - self._start) / max(1, len(epochs) - self._first)
            left = max(0, (trainer.max_epochs or 0) - len(epochs)) * seconds
            if trainer.is_global_zero:
                sys.stdout.write(
                    f"{log_line(epoch, trainer.max_epochs)}; {format_duration(left)} to go\n"
                )
                sys.stdout.flush()
        self._printed = len(epochs)


def log_line(epoch: Mapping[str, float], max_epochs: int | None) -> str:
    """Return the numbers of an epoch, as :class:`History` has them, as a line.

    Example:
        >>> log_line({"epoch": 3, "train/loss": 1.5, "train/acc": 0.41, "val/acc": 0.4}, 20)
        'epoch 3/20: train loss 1.500, accuracy 41.0 %; validation accuracy 40.0 %'
    """
    parts = []
    for split, name in (("train", "train"), ("val", "validation")):
        numbers = []
        if f"{split}/loss" in epoch:
            numbers.append(f"loss {epoch[f'{split}/loss']:.3f}")
        if f"{split}/acc" in epoch:
            numbers.append(f"accuracy {epoch[f'{split}/acc']:.1%}".replace("%", " %"))
        if numbers:
            parts.append(f"{name} {', '.join(numbers)}")
    of = f"/{max_epochs}" if max_epochs and max_epochs > 0 else ""
    return f"epoch {epoch['epoch']:.0f}{of}: {'; '.join(parts)}"


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, which fetches the step's loss itself, every tenth step.

    A loss that the module logs with ``prog_bar=True`` is fetched at every step, with or without a
    bar, and a GPU waits.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=10)

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        shown = super().get_metrics(trainer, pl_module)
        loss = trainer.callback_metrics.get("train/step_loss")
        return shown if loss is None else {**shown, "train/step_loss": float(loss)}


class Throughput(Callback):
    """Measure how many faces a second are trained on, without validation.

    Lightning's ThroughputMonitor needs a logger, and its counts don't survive a resume.

    Attributes:
        faces: trained on in all epochs, by all processes.
        seconds: from the first to the last step of each epoch, added up. Both are stored in the
            checkpoint, so a resumed run counts its past.
    """

    def __init__(self) -> None:
        self.faces = 0
        self.seconds = 0.0
        self._start = 0.0

    @property
    def rate(self) -> float | None:
        """Faces a second; None before the first step."""
        return self.faces / self.seconds if self.seconds > 0 else None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.monotonic()
        self.faces += len(batch["label"]) * trainer.world_size
        self.seconds += now - self._start
        self._start = now

    def state_dict(self) -> dict[str, Any]:
        return {"faces": self.faces, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.faces, self.seconds = int(state_dict["faces"]), float(state_dict["seconds"])


class TimeLimit(Timer):
    """Stop after the epoch in which the time is up; each start has all of it.

    Lightning's own also counts earlier starts, so that what it has ended could never be resumed,
    and it stops within an epoch, whose rest no resumed training would make up for.

    Args:
        limit: ``DD:HH:MM:SS``.
    """

    def __init__(self, limit: str) -> None:
        super().__init__(limit, interval="epoch", verbose=False)

    @property
    def is_up(self) -> bool:
        """Whether the training took all of its time."""
        remaining = self.time_remaining()
        return remaining is not None and remaining <= 0

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore nothing: time counts from each start."""
