"""What clients share: rates at which things may happen, and slots that they hold."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

#: Clients that are remembered, the latest ones.
_CLIENTS: Final = 4096
#: Bits of an IPv6 address that tell clients apart; the rest each of them chooses freely.
_NETWORK: Final = 64


class TokenBucket:
    """Lets things happen at a rate, in times a second, and ``burst`` at once after a rest."""

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
        """Return True if one more may happen now, and count it."""
        if not self.has_one:
            return False
        self._left -= 1
        return True


class ClientBuckets:
    """One bucket for each client; rate and burst are those of each."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def of(self, address: str) -> TokenBucket:
        """Return the bucket of the client behind an address."""
        client = client_of(address)
        bucket = self._buckets.pop(client, None) or TokenBucket(self._rate, self._burst)
        self._buckets[client] = bucket
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return bucket


class Slot:
    """A slot that a client holds; ``evict`` is called when another takes it."""

    def __init__(self, client: str, evict: Callable[[], None]) -> None:
        self.client, self.evict = client, evict
        self.touch()

    def touch(self) -> None:
        """Note that the client did its part: it is waited for from now on."""
        self.last_heard = time.monotonic()
        #: Whether it can't be taken away: the server works for its client.
        self.is_busy = False

    def rest(self) -> None:
        """Let the client be silent from now on."""
        self.last_heard = math.inf

    def work(self) -> None:
        """Keep the slot until the client is heard again."""
        self.is_busy = True


class Slots:
    """A number of slots, shared by all clients.

    When all are taken, a newcomer gets the longest silent one of the client that holds most: if
    that leaves this client no worse off than the newcomer, or if it was silent for ``patience``
    seconds.
    """

    def __init__(self, size: int, patience: float) -> None:
        self._size, self._patience = size, patience
        self._taken: set[Slot] = set()

    def __len__(self) -> int:
        return len(self._taken)

    def acquire(self, address: str, evict: Callable[[], None]) -> Slot | None:
        """Return a slot for the client behind an address, or None; ``evict`` is called on loss."""
        client = client_of(address)
        if len(self._taken) >= self._size:
            victim = self._victim_for(client)
            if victim is None:
                return None
            self._taken.discard(victim)
            victim.evict()
        slot = Slot(client, evict)
        self._taken.add(slot)
        return slot

    def release(self, slot: Slot) -> None:
        """Give a slot back, if it was not taken yet."""
        self._taken.discard(slot)

    def _victim_for(self, client: str) -> Slot | None:
        held = Counter(slot.client for slot in self._taken)
        own, oldest = held[client], time.monotonic() - self._patience
        candidates = (
            slot
            for slot in self._taken
            if not slot.is_busy
            and (
                held[slot.client] > own + 1
                or (held[slot.client] >= own and slot.last_heard <= oldest)
            )
        )
        return min(candidates, key=lambda one: (-held[one.client], one.last_heard), default=None)


def client_of(address: str) -> str:
    """Return whom an address belongs to.

    Example:
        >>> [client_of(one) for one in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1:2")]
        ['192.0.2.7', '192.0.2.7', '2001:db8::/64']
    """
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((int(known), _NETWORK), strict=False))
