"""What ended a training before its last epoch, and how high its rate was left."""

from __future__ import annotations

from typing import Any, NamedTuple

import lightning

from fer.learning.callbacks import TimeLimit


class EarlyEnd(NamedTuple):
    """How a training ended before its last epoch: whether its time did it, and what to say."""

    by_time: bool
    said: str


def early_end(trainer: lightning.Trainer) -> EarlyEnd | None:
    """Say by what a training ended early, and how high a planned rate was left."""
    done, most = trainer.current_epoch, trainer.max_epochs or -1
    if not 0 <= done < most or 0 < trainer.max_steps <= trainer.global_step:
        return None
    limits = (c for c in getattr(trainer, "callbacks", ()) if isinstance(c, TimeLimit))
    by_time = any(limit.is_up for limit in limits)
    cause = "trainer.max_time" if by_time else "an early stop"
    said = f"ended by {cause} after epoch {done} of {most}"
    schedule: Any = next((c.scheduler for c in trainer.lr_scheduler_configs), None)
    if schedule is not None and schedule.last_epoch < getattr(schedule, "total_steps", 0):
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        said += (
            f": the rate, planned over {most}, was left at {rate:.2g}; trainer.max_epochs={done} "
            "plans it to its end"
        )
    return EarlyEnd(by_time, said + ("; the same command with resume=auto goes on" * by_time))
