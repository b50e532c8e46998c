"""What waits to be sent to a page: of frames the newest alone, of windows all, up to a limit."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from starlette.websockets import WebSocket

#: Messages beside those of frames that wait at most; a page that is so late is lost anyway.
_MOST: Final = 64


class Outbox:
    """Takes messages from one side and sends them on from the other, never the queue of a past."""

    def __init__(self) -> None:
        self._faces: dict[str, Any] | None = None
        self._others: deque[dict[str, Any]] = deque(maxlen=_MOST)
        self._news = asyncio.Event()

    def put(self, messages: Iterable[dict[str, Any]]) -> None:
        """Take messages."""
        for one in messages:
            if one["type"] == "faces":
                self._faces = one
            else:
                self._others.append(one)
        self._news.set()

    async def send_to(self, socket: WebSocket) -> None:
        """Send what comes, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            some = list(self._others)
            self._others.clear()
            if self._faces is not None:
                some.insert(0, self._faces)
                self._faces = None
            for one in some:
                await socket.send_text(json.dumps(one, separators=(",", ":"), allow_nan=False))
