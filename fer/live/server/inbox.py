"""Frames that come from a page: the newest waits, those before it are dropped."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from fer.live.server.limits import TokenBucket
from fer.live.server.metrics import Metrics
from fer.live.server.places import Slot
from fer.live.server.settings import BURST, RATE

#: Before the bytes of a picture: its number, which its answer repeats, as four bytes.
_NUMBER: Final = struct.Struct(">I")


class Closed(Exception):  # noqa: N818
    """A link that the server ends; code and words for the page."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Inbox:
    """Reads what a page sends, as fast as it comes, and keeps the newest frame.

    Args:
        socket: of the page.
        metrics: where dropped frames are counted.
        place: that the page holds.
    """

    def __init__(self, socket: WebSocket, metrics: Metrics, place: Slot) -> None:
        self._socket = socket
        self.place = place
        self._metrics = metrics
        self._newest: tuple[int, bytes, float] | None = None
        self._news = asyncio.Event()
        self._asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def begun(self, patience: float) -> str:
        """Return the key of the session that the page had, when it asks to begin.

        Raises:
            Closed: it does not in so many seconds.
        """
        try:
            return await asyncio.wait_for(self._asked, patience)
        except TimeoutError:
            raise Closed(1008, f"a page begins within {patience:g} seconds") from None

    async def read(self) -> None:
        """Read until the page leaves, or does what pages don't.

        Raises:
            Closed: it sends too much, or what nobody understands.
            WebSocketDisconnect: it left.
        """
        bucket = TokenBucket(RATE, BURST)
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            if not bucket.try_acquire():
                raise Closed(1008, "too many messages a second")
            data = message.get("bytes")
            if data is None:
                self._text(message.get("text") or "")
            elif len(data) <= _NUMBER.size:
                raise Closed(1007, "a message must be a number of four bytes and a picture")
            else:
                self._begin("")
                if self._newest is not None:
                    self._metrics.dropped += 1
                (number,) = _NUMBER.unpack_from(data)
                self._newest = number, data[_NUMBER.size :], time.perf_counter()
                self._news.set()

    async def frame(self) -> tuple[int, bytes, float]:
        """Return the newest frame: its number, its bytes, and when it came."""
        await self._news.wait()
        self._news.clear()
        assert self._newest is not None  # noqa: S101
        newest, self._newest = self._newest, None
        return newest

    def _text(self, text: str) -> None:
        try:
            told: Any = json.loads(text)
            key = told["resume"] if told["type"] == "start" else None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Closed(1007, "a message must be a picture, or JSON with a type") from None
        if not isinstance(key, str) or len(key) > 100:
            raise Closed(1007, "a page begins with its key, or an empty one")
        self._begin(key)

    def _begin(self, key: str) -> None:
        if not self._asked.done():
            self._asked.set_result(key)
