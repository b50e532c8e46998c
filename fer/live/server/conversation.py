"""What is said with one page, from its greeting to its leaving."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fer.live.server.group import Groups, LiveGroup
from fer.live.server.inbox import Closed, Inbox
from fer.live.server.metrics import Metrics
from fer.live.server.outbox import Outbox
from fer.live.server.settings import BAD, CONNECTIONS
from fer.live.server.watching import Watch
from fer.live.server.workshop import Workshop
from fer.pictures import PictureError

_log = logging.getLogger("fer.serve")


class Conversations:
    """Talks with all pages.

    Args:
        workshop: decodes and reads pictures.
        groups: the sessions of pages with a camera of their own.
        watch: the server's own source, if it has one.
        metrics: where things are counted.
    """

    def __init__(
        self, workshop: Workshop, groups: Groups, watch: Watch | None, metrics: Metrics
    ) -> None:
        self._workshop = workshop
        self._groups = groups
        self._watch = watch
        self._metrics = metrics

    async def hold(self, socket: WebSocket, protocol: str | None) -> None:
        """Talk with a page until one of the two ends it."""
        await socket.accept(subprotocol=protocol)
        if self._metrics.clients >= CONNECTIONS:
            self._metrics.refused["connections"] += 1
            words = f"this server talks with {CONNECTIONS} pages at once, and all are taken"
            await self._end(socket, Closed(1013, words))
            return
        self._metrics.clients += 1
        try:
            await self._talk(socket)
        except WebSocketDisconnect:
            pass
        except Closed as end:
            self._metrics.refused["message"] += 1
            await self._end(socket, end)
        except Exception:
            _log.exception("a page's link was ended by a defect")
            await self._end(socket, Closed(1011, "the server had a defect: see its log"))
        finally:
            self._metrics.clients -= 1

    async def _talk(self, socket: WebSocket) -> None:
        inbox, outbox = Inbox(socket, self._metrics), Outbox()
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
        # The page's leaving explains what else failed.
        for one in sorted(failed, key=lambda one: not isinstance(one, WebSocketDisconnect)):
            raise one

    def _answer(self, inbox: Inbox, outbox: Outbox) -> Coroutine[Any, Any, None]:
        if self._watch is not None:
            return self._show(inbox, outbox, self._watch)
        return self._look(inbox, outbox)

    async def _show(self, inbox: Inbox, outbox: Outbox, watch: Watch) -> None:
        """Tell what the server's own source shows."""
        await inbox.asked
        with watch.told_to(outbox):
            while True:
                # Frames of the page are nobody's.
                await inbox.frame()

    async def _look(self, inbox: Inbox, outbox: Outbox) -> None:
        """Answer the frames of the page."""
        key, group = self._groups.take(await inbox.asked)
        outbox.put([{"type": "started", "key": key}, *group.history])
        try:
            await self._answer_frames(inbox, outbox, group)
        finally:
            self._groups.keep(key, group)

    async def _answer_frames(self, inbox: Inbox, outbox: Outbox, group: LiveGroup) -> None:
        bad = 0
        while True:
            number, data, came = await inbox.frame()
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
