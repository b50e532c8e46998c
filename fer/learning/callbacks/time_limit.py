"""A training that ends when its time is up, and can go on with new time."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.callbacks import Timer


class TimeLimit(Timer):
    """Stop after the epoch in which the time is up; each start has all of it.

    Lightning's own counts earlier starts too, so that what it has ended could never go on, and it
    breaks off amid an epoch, whose rest no continuation would make up for.

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
        """Take up nothing: time counts by start."""
