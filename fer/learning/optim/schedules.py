"""Learning rate schedules over a whole training."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

from annotated_types import Gt, Lt
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fer.core.ranges import PositiveShare, ShareBelowOne


class _PlannedSchedule(LambdaLR):
    """A schedule that is planned over the whole training.

    A checkpoint brings back how many steps were taken, not the plan: a training that goes on for
    longer than it was meant to follows the longer plan from there.
    """

    _PLAN: ClassVar[tuple[str, ...]] = ("total_steps", "warmup_steps", "peak")

    def state_dict(self) -> dict[str, Any]:
        """Return what changes from step to step."""
        state: dict[str, Any] = super().state_dict()
        return {name: value for name, value in state.items() if name not in self._PLAN}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up at a step, with the rate that this plan has there."""
        super().load_state_dict(state_dict)
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base * self.lr_lambdas[0](self.last_epoch)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]


class Cosine(_PlannedSchedule):
    """Warm up in a line, then fall to zero along a cosine (Loshchilov & Hutter 2017).

    Args:
        optimizer: whose rate changes.
        total_steps: of the whole training.
        warmup: share of the steps in which the rate rises from zero.
    """

    def __init__(
        self, optimizer: Optimizer, total_steps: int, *, warmup: ShareBelowOne = 0.05
    ) -> None:
        self.total_steps = max(1, total_steps)
        self.warmup_steps = round(warmup * self.total_steps)
        super().__init__(optimizer, self._share)

    def _share(self, step: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        left = max(1, self.total_steps - self.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - self.warmup_steps) / left)))


class OneCycle(_PlannedSchedule):
    """Rise in a line to the full rate, then fall in a line to zero (Smith & Topin 2019).

    Args:
        optimizer: whose rate changes; its rate is the highest.
        total_steps: of the whole training.
        rise: share of the steps before the peak.
        start: rate of the first step, as a share of the highest.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        *,
        rise: Annotated[float, Gt(0), Lt(1)] = 0.25,
        start: PositiveShare = 0.04,
    ) -> None:
        self.total_steps = max(1, total_steps)
        self.peak = max(1, round(rise * self.total_steps))
        self.start = start
        super().__init__(optimizer, self._share)

    def _share(self, step: int) -> float:
        if step < self.peak:
            return self.start + (1 - self.start) * step / self.peak
        return max(0.0, (self.total_steps - step) / max(1, self.total_steps - self.peak))


class Constant(LambdaLR):
    """Leave the rate as it is.

    Args:
        optimizer: whose rate stays.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer, _one)


def _one(step: int) -> float:
    return 1.0
