"""How often something may happen."""

from __future__ import annotations

import time


class Bucket:
    """Lets things happen at a rate, and some at once after a rest (token bucket).

    Args:
        rate: how many a second.
        burst: how many at once.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._left = float(burst)
        self._time = time.monotonic()

    def takes(self) -> bool:
        """Say whether one more may happen now, and count it if so."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + self._rate * (now - self._time))
        self._time = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
