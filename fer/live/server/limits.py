"""How often something may happen."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

#: Clients that are remembered, the latest ones.
_CLIENTS: Final = 4096


class TokenBucket:
    """Lets things happen at a rate, and some at once after a rest (token bucket).

    Args:
        rate: how many a second.
        burst: how many at once.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._left = float(burst)
        self._time = time.monotonic()

    @property
    def has_one(self) -> bool:
        """Whether one more may happen now."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + self._rate * (now - self._time))
        self._time = now
        return self._left >= 1

    def try_acquire(self) -> bool:
        """Say whether one more may happen now, and count it if so."""
        if not self.has_one:
            return False
        self._left -= 1
        return True


class ClientBuckets:
    """One bucket for each client.

    Args:
        rate: how many a second.
        burst: how many at once.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._kept: OrderedDict[str, TokenBucket] = OrderedDict()

    def of(self, client: str) -> TokenBucket:
        """Return the bucket of a client."""
        bucket = self._kept.pop(client, None) or TokenBucket(self._rate, self._burst)
        self._kept[client] = bucket
        if len(self._kept) > _CLIENTS:
            self._kept.popitem(last=False)
        return bucket
