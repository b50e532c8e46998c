"""What is said with one page, from its greeting to its leaving."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fer.live.server.broadcaster import Broadcaster
from fer.live.server.inbox import Closed, Inbox
from fer.live.server.metrics import Metrics
from fer.live.server.outbox import Outbox
from fer.live.server.places import Slot, Slots
from fer.live.server.sessions import LiveSession, SessionStore
from fer.live.server.settings import BAD, CONNECTIONS, IDLE, START, TAKEN
from fer.live.server.worker import InferenceWorker
from fer.pictures import PictureError

_log = logging.getLogger("fer.serve")

#: Code of a link that ends since others need its place: try again later.
_FULL: Final = 1013


class ConnectionHandler:
    """Talks with all pages.

    Args:
        workshop: decodes and reads pictures.
        groups: the sessions of pages with a camera of their own.
        watch: the server's own source, if it has one.
        metrics: where things are counted.
    """

    def __init__(
        self,
        workshop: InferenceWorker,
        groups: SessionStore,
        watch: Broadcaster | None,
        metrics: Metrics,
    ) -> None:
        self._workshop = workshop
        self._groups = groups
        self._watch = watch
        self._metrics = metrics
        self._places = Slots(CONNECTIONS, IDLE)

    async def handle(self, socket: WebSocket, protocol: str | None) -> None:
        """Talk with a page until one of the two ends it."""
        await socket.accept(subprotocol=protocol)
        lost = asyncio.Event()
        place = self._places.take(socket.client.host if socket.client else "", lost.set)
        if place is None:
            self._metrics.refused["connections"] += 1
            words = f"this server talks with {CONNECTIONS} pages at once, and all are taken"
            await self._end(socket, Closed(_FULL, words))
            return
        self._metrics.clients = len(self._places)
        try:
            await self._talk(socket, place, lost)
        except WebSocketDisconnect:
            pass
        except Closed as end:
            self._metrics.refused["connections" if end.code == _FULL else "message"] += 1
            await self._end(socket, end)
        except Exception:
            _log.exception("a page's link was ended by a defect")
            await self._end(socket, Closed(1011, "the server had a defect: see its log"))
        finally:
            self._places.free(place)
            self._metrics.clients = len(self._places)

    async def _talk(self, socket: WebSocket, place: Slot, lost: asyncio.Event) -> None:
        inbox, outbox = Inbox(socket, self._metrics, place), Outbox()
        failed: list[Exception] = []
        async with anyio.create_task_group() as tasks:

            async def until_one_ends(work: Callable[[], Awaitable[None]]) -> None:
                try:
                    await work()
                except Exception as error:
                    failed.append(error)
                finally:
                    tasks.cancel_scope.cancel()

            tasks.start_soon(until_one_ends, inbox.read)
            tasks.start_soon(until_one_ends, lambda: outbox.send_to(socket))
            tasks.start_soon(until_one_ends, lambda: self._answer(inbox, outbox))
            tasks.start_soon(until_one_ends, lambda: _crowded_out(lost))
        # The page's leaving explains what else failed.
        for one in sorted(failed, key=lambda one: not isinstance(one, WebSocketDisconnect)):
            raise one

    def _answer(self, inbox: Inbox, outbox: Outbox) -> Coroutine[Any, Any, None]:
        if self._watch is not None:
            return self._show(inbox, outbox, self._watch)
        return self._look(inbox, outbox)

    async def _show(self, inbox: Inbox, outbox: Outbox, watch: Broadcaster) -> None:
        """Tell what the server's own source shows."""
        await inbox.begun(START)
        # Its page has nothing more to say.
        inbox.place.rest()
        with watch.told_to(outbox):
            while True:
                # Frames of the page are nobody's.
                await inbox.frame()

    async def _look(self, inbox: Inbox, outbox: Outbox) -> None:
        """Answer the frames of the page."""
        key, group = self._groups.take(await inbox.begun(START), inbox)
        outbox.put([{"type": "started", "key": key}, *group.history])
        try:
            await self._answer_frames(inbox, outbox, key, group)
        finally:
            self._groups.leave(key, inbox)

    async def _answer_frames(
        self, inbox: Inbox, outbox: Outbox, key: str, group: LiveSession
    ) -> None:
        bad = 0
        while True:
            number, data, came = await inbox.frame()
            if not self._groups.is_of(key, inbox):
                raise Closed(TAKEN, "this session goes on in another tab of this browser")
            inbox.place.hear()
            try:
                image = await self._workshop.decode(data)
            except PictureError as error:
                self._metrics.unreadable += 1
                bad += 1
                if bad >= BAD:
                    raise Closed(1007, f"{bad} pictures in a row can't be read: {error}") from None
                outbox.put([{"type": "problem", "id": number, "words": str(error)}])
                continue
            bad = 0
            messages = await self._workshop.work(lambda image=image: group.step(image))  # type: ignore[misc]
            messages[0]["id"] = number
            outbox.put(messages)
            self._metrics.took(time.perf_counter() - came)

    async def _end(self, socket: WebSocket, end: Closed) -> None:
        """Say why, and close; a page that is gone need not hear it."""
        try:
            if socket.application_state is WebSocketState.CONNECTED:
                await socket.send_json({"type": "end", "words": end.words})
                await socket.close(end.code, end.words[:100])
        except (WebSocketDisconnect, RuntimeError):
            pass


async def _crowded_out(lost: asyncio.Event) -> None:
    await lost.wait()
    raise Closed(
        _FULL,
        f"this server talks with {CONNECTIONS} pages at once, and another one needed this place",
    )
