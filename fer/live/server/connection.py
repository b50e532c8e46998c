"""The link of one page, from its greeting to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fer.live.server.broadcaster import Broadcaster
from fer.live.server.channels import LinkClosed, Receiver, Sender
from fer.live.server.limits import Slot, Slots
from fer.live.server.metrics import Metrics
from fer.live.server.sessions import LiveSession, SessionStore
from fer.live.server.settings import MAX_PAGES, MAX_UNREADABLE, PAGE_IDLE, START_TIMEOUT
from fer.live.server.worker import InferenceWorker
from fer.pictures import PictureError

_log = logging.getLogger("fer.serve")

#: Codes of a link that ends: others need its place, which a page may try again for; or another tab
#: has taken its session over, after which it does not.
_FULL: Final = 1013
TAKEN_OVER: Final = 4001


class ConnectionHandler:
    """Serves the links of all pages."""

    def __init__(
        self,
        worker: InferenceWorker,
        sessions: SessionStore,
        broadcaster: Broadcaster | None,
        metrics: Metrics,
    ) -> None:
        self._worker, self._sessions = worker, sessions
        self._broadcaster, self._metrics = broadcaster, metrics
        self._slots = Slots(MAX_PAGES, PAGE_IDLE)

    async def handle(self, socket: WebSocket, protocol: str | None) -> None:
        """Serve a page until one of the two ends it."""
        await socket.accept(subprotocol=protocol)
        evicted = asyncio.Event()
        slot = self._slots.acquire(socket.client.host if socket.client else "", evicted.set)
        if slot is None:
            self._metrics.refuse("connections")
            await _end(socket, _full("all are taken"))
            return
        self._metrics.clients.set(len(self._slots))
        try:
            await self._serve(socket, slot, evicted)
        except WebSocketDisconnect:
            pass
        except LinkClosed as end:
            self._metrics.refuse("connections" if end.code == _FULL else "message")
            await _end(socket, end)
        except Exception:
            _log.exception("a page's link was ended by a defect")
            await _end(socket, LinkClosed(1011, "the server had a defect: see its log"))
        finally:
            self._slots.release(slot)
            self._metrics.clients.set(len(self._slots))

    async def _serve(self, socket: WebSocket, slot: Slot, evicted: asyncio.Event) -> None:
        receiver, sender = Receiver(socket, self._metrics, slot), Sender()
        errors: list[Exception] = []

        async def until_one_ends(work: Callable[[], Awaitable[None]]) -> None:
            try:
                await work()
            except Exception as error:
                errors.append(error)
            finally:
                tasks.cancel_scope.cancel()

        answer = self._show_source if self._broadcaster is not None else self._answer_frames
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_one_ends, receiver.run)
            tasks.start_soon(until_one_ends, partial(sender.run, socket))
            tasks.start_soon(until_one_ends, partial(answer, receiver, sender))
            tasks.start_soon(until_one_ends, partial(_until_evicted, evicted))
        # The page's leaving explains what else failed.
        for error in sorted(errors, key=lambda one: not isinstance(one, WebSocketDisconnect)):
            raise error

    async def _show_source(self, receiver: Receiver, sender: Sender) -> None:
        """Send what the server's own source shows."""
        await receiver.session_key(START_TIMEOUT)
        # Its page has nothing more to say.
        receiver.slot.rest()
        assert self._broadcaster is not None  # noqa: S101
        with self._broadcaster.subscribed(sender):
            while True:
                # Frames that the page sends are ignored.
                await receiver.frame()

    async def _answer_frames(self, receiver: Receiver, sender: Sender) -> None:
        """Answer the frames of the page."""
        wanted = await receiver.session_key(START_TIMEOUT)
        key, session = self._sessions.acquire(wanted, receiver)
        sender.put([{"type": "started", "key": key}, *session.history])
        unreadable = 0
        try:
            while True:
                number, data, arrived = await receiver.frame()
                if not self._sessions.is_owned(key, receiver):
                    raise LinkClosed(
                        TAKEN_OVER, "this session goes on in another tab of this browser"
                    )
                receiver.slot.touch()
                try:
                    await self._answer_frame(sender, session, number, data)
                except PictureError as error:
                    self._metrics.unreadable.inc()
                    unreadable += 1
                    if unreadable >= MAX_UNREADABLE:
                        words = f"{unreadable} pictures in a row can't be read: {error}"
                        raise LinkClosed(1007, words) from None
                    sender.put([{"type": "problem", "id": number, "words": str(error)}])
                else:
                    unreadable = 0
                    self._metrics.frame_answered(time.perf_counter() - arrived)
        finally:
            self._sessions.release(key, receiver)

    async def _answer_frame(
        self, sender: Sender, session: LiveSession, number: int, data: bytes
    ) -> None:
        image = await self._worker.decode(data)
        messages = await self._worker.run(lambda: session.step(image))
        messages[0]["id"] = number
        sender.put(messages)


async def _until_evicted(evicted: asyncio.Event) -> None:
    await evicted.wait()
    raise _full("another one needed this place")


def _full(why: str) -> LinkClosed:
    return LinkClosed(_FULL, f"this server talks with {MAX_PAGES} pages at once, and {why}")


async def _end(socket: WebSocket, end: LinkClosed) -> None:
    """Send why, and close, unless the page is gone."""
    try:
        if socket.application_state is WebSocketState.CONNECTED:
            await socket.send_json({"type": "end", "words": end.words})
            await socket.close(end.code, end.words[:100])
    except (WebSocketDisconnect, RuntimeError):
        pass
