"""The two directions of a page's link: a receiver of frames and a sender of messages."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from fer.live.server.limits import Slot, TokenBucket
from fer.live.server.messages import Message
from fer.live.server.metrics import Metrics
from fer.live.server.settings import MESSAGE_BURST, MESSAGE_RATE

#: Before the bytes of a picture: its number, which its answer repeats, as four bytes.
_NUMBER: Final = struct.Struct(">I")
#: Messages beside those of frames that wait at most; a page that is so late is lost anyway.
_QUEUE: Final = 64


class LinkClosed(Exception):  # noqa: N818
    """The server ends a link; code and words are for the page."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Receiver:
    """Reads what a page sends, as fast as it comes, and keeps the newest frame."""

    def __init__(self, socket: WebSocket, metrics: Metrics, slot: Slot) -> None:
        self._socket, self._metrics = socket, metrics
        self.slot = slot
        self._newest: tuple[int, bytes, float] | None = None
        self._arrived = asyncio.Event()
        self._key: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def session_key(self, timeout: float) -> str:
        """Return the key of the page's earlier session; close the link if none comes in time."""
        try:
            return await asyncio.wait_for(self._key, timeout)
        except TimeoutError:
            raise LinkClosed(1008, f"a page begins within {timeout:g} seconds") from None

    async def run(self) -> None:
        """Read until the page leaves (WebSocketDisconnect) or misbehaves (LinkClosed)."""
        bucket = TokenBucket(MESSAGE_RATE, MESSAGE_BURST)
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            if not bucket.try_acquire():
                raise LinkClosed(1008, "too many messages a second")
            data = message.get("bytes")
            if data is None:
                self._begin(_start_key(message.get("text") or ""))
            elif len(data) <= _NUMBER.size:
                raise LinkClosed(1007, "a message must be a number of four bytes and a picture")
            else:
                self._begin("")
                if self._newest is not None:
                    self._metrics.dropped.inc()
                (number,) = _NUMBER.unpack_from(data)
                self._newest = number, data[_NUMBER.size :], time.perf_counter()
                self._arrived.set()

    async def frame(self) -> tuple[int, bytes, float]:
        """Return the newest frame: its number, its bytes, and when it came."""
        await self._arrived.wait()
        self._arrived.clear()
        assert self._newest is not None  # noqa: S101
        newest, self._newest = self._newest, None
        return newest

    def _begin(self, key: str) -> None:
        if not self._key.done():
            self._key.set_result(key)


def _start_key(text: str) -> str:
    try:
        message: Any = json.loads(text)
        key = message["resume"] if message["type"] == "start" else None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise LinkClosed(1007, "a message must be a picture, or JSON with a type") from None
    if not isinstance(key, str) or len(key) > 100:
        raise LinkClosed(1007, "a page begins with its key, or an empty one")
    return key


class Sender:
    """Sends to a page: of frames the newest alone, of other messages all, up to a limit."""

    def __init__(self) -> None:
        self._faces: Message | None = None
        self._others: deque[Message] = deque(maxlen=_QUEUE)
        self._arrived = asyncio.Event()

    def put(self, messages: Iterable[Message]) -> None:
        """Add messages."""
        for message in messages:
            if message["type"] == "faces":
                self._faces = message
            else:
                self._others.append(message)
        self._arrived.set()

    async def run(self, socket: WebSocket) -> None:
        """Send what comes, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            faces = [] if self._faces is None else [self._faces]
            messages = [*faces, *self._others]
            self._faces = None
            self._others.clear()
            for message in messages:
                await socket.send_text(json.dumps(message, separators=(",", ":"), allow_nan=False))
