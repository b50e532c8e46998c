"""Slots that clients share: when all are taken, whoever holds most or says nothing gives way."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

#: Bits of an IPv6 address that tell clients apart; the rest each of them chooses freely.
_NETWORK: Final = 64


class Slot:
    """A place that a client holds.

    Args:
        client: who holds it.
        leave: called when another takes it.
    """

    def __init__(self, client: str, leave: Callable[[], None]) -> None:
        self.client, self.leave = client, leave
        self.hear()

    def hear(self) -> None:
        """Note that the client did its part: it is waited for from now on."""
        self.heard = time.monotonic()
        #: Whether it must not be taken away: the server works for it.
        self.is_busy = False

    def rest(self) -> None:
        """Let it be silent from now on."""
        self.heard = math.inf

    def work(self) -> None:
        """Keep it until it is heard again."""
        self.is_busy = True


class Slots:
    """So many places, shared by all clients.

    When all are taken, a newcomer gets the longest silent one of the client that holds most: if
    that leaves this client no worse off than the newcomer, or if it has been silent too long.

    Args:
        most: how many there are.
        patience: seconds after which a silent one may be taken from anybody.
    """

    def __init__(self, most: int, patience: float) -> None:
        self._most, self._patience = most, patience
        self._taken: set[Slot] = set()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, address: str, leave: Callable[[], None]) -> Slot | None:
        """Return a place for a client, or None where there is none.

        Args:
            address: of the client.
            leave: called when it has to give the place up, which is no longer its own then.
        """
        client = client_of(address)
        if len(self._taken) >= self._most:
            lost = self._given_up_for(client)
            if lost is None:
                return None
            self._taken.discard(lost)
            lost.leave()
        place = Slot(client, leave)
        self._taken.add(place)
        return place

    def free(self, place: Slot) -> None:
        """Give a place back, if it is not gone yet."""
        self._taken.discard(place)

    def _given_up_for(self, client: str) -> Slot | None:
        held = Counter(place.client for place in self._taken)
        own, oldest = held[client], time.monotonic() - self._patience
        candidates = (
            place
            for place in self._taken
            if not place.is_busy
            and (
                held[place.client] > own + 1
                or (held[place.client] >= own and place.heard <= oldest)
            )
        )
        return min(candidates, key=lambda one: (-held[one.client], one.heard), default=None)


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
