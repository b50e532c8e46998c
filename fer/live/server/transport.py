"""Connections whose clients have to do their part in time, and share the places there are."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, cast

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from fer.live.server.metrics import Metrics
from fer.live.server.places import Slot, Slots
from fer.live.server.settings import BODY, FRAGMENTS, HEAD, MESSAGE, SILENT, SLOW, WAITING

if TYPE_CHECKING:
    from websockets.frames import Frame


class Config(uvicorn.Config):
    """How the server runs.

    Args:
        app: what is served.
        links: places for connections.
        tls: for https; the handshake is done here, since uvicorn lets one last a minute.
        options: of uvicorn.
    """

    def __init__(
        self, app: FastAPI, links: Slots, tls: ssl.SSLContext | None = None, **options: Any
    ) -> None:
        super().__init__(app, **options)
        self.links, self.tls = links, tls
        self.metrics: Metrics = app.state.metrics


class _Patient(asyncio.Protocol):
    """A connection that is cut when its client takes nothing for a few seconds."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _deadline: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Begin to count: what waits is too much."""
        super().pause_writing()
        self._deadline = self.loop.call_later(SLOW, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop counting: there is room again."""
        super().resume_writing()
        self._stop()

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class WebSocketProtocol(_Patient, WebSocketsSansIOProtocol):
    """A WebSocket that drops who takes nothing, or goes on after its end."""

    #: Set by the connection that it was made from.
    place: Slot | None = None
    _after_end = _fragments = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set how much may wait."""
        super().connection_made(transport)
        self.close_timeout = SLOW
        self.transport.set_write_buffer_limits(high=WAITING)

    def data_received(self, data: bytes) -> None:
        """Take data; after the end only what was on its way."""
        if self.close_sent:
            self._after_end += len(data)
            if self._after_end > MESSAGE // 4:
                self.transport.abort()
                return
        super().data_received(data)

    def handle_cont(self, event: Frame) -> None:
        """Take a further piece of a message; empty ones would come for ever."""
        self._fragments = 0 if event.fin else self._fragments + 1
        if self._fragments > FRAGMENTS:
            self.transport.abort()
            return
        super().handle_cont(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting, and end."""
        self._stop()
        if self.place is not None:
            cast("Config", self.config).links.free(self.place)
        super().connection_lost(exc)


class HttpProtocol(_Patient, H11Protocol):
    """HTTP for clients that send what they have to in time; the others give their place up."""

    place: Slot | None = None
    _clock: asyncio.TimerHandle | None = None
    _has_begun = False
    _since = 0.0
    _early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, and begin, with https by the handshake."""
        raw = cast("asyncio.Transport", transport)
        self._limits = cast("Config", self.config)
        peer = raw.get_extra_info("peername")
        self.place = self._limits.links.take(peer[0] if peer else "", self._crowded_out)
        self._raw = raw
        if self.place is None:
            self._crowded_out()
        elif self._limits.tls is None:
            self._begin(raw)
        else:
            raw.pause_reading()
            self._handshake = self.loop.create_task(self._encrypt(self._limits.tls))

    async def _encrypt(self, tls: ssl.SSLContext) -> None:
        try:
            made = await self.loop.start_tls(
                self._raw, self, tls, server_side=True, ssl_handshake_timeout=HEAD
            )
        except OSError:
            made = None
        if made is None:
            self._raw.abort()
            self.connection_lost(None)
        else:
            self._begin(made)
            if self._early:
                self.data_received(self._early)

    def _begin(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._has_begun = True
        self._since = self._heard = self.loop.time()
        self._tick()

    def _crowded_out(self) -> None:
        self._limits.metrics.refused["crowded"] += 1
        self._raw.abort()

    @property
    def _has_to_send(self) -> bool:
        """Whether it is the client's turn: the server does not work for it."""
        is_working = self.cycle is not None and not self.cycle.response_complete
        return not is_working or self.conn.their_state is h11.SEND_BODY

    def _tick(self) -> None:
        """Look once a second whether the client is late."""
        now = self.loop.time()
        if self._has_to_send:
            is_body = self.conn.their_state is h11.SEND_BODY
            is_late = now - self._since > (BODY if is_body else HEAD)
            if is_late or (is_body and now - self._heard > SILENT):
                self._limits.metrics.refused["silent"] += 1
                self.transport.abort()
                return
        self._clock = self.loop.call_later(1, self._tick)

    def data_received(self, data: bytes) -> None:
        """Take data, and note whose turn it is then."""
        if not self._has_begun:
            # What came right behind the handshake.
            self._early += data
            return
        before = self.conn.their_state
        super().data_received(data)
        self._heard = self.loop.time()
        if self.conn.their_state is not before:
            self._since = self._heard
        self._note()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._since = self.loop.time()
        super().on_response_complete()
        self._note()

    def _note(self) -> None:
        if self.place is not None:
            self.place.hear()
            if not self._has_to_send:
                self.place.work()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the place on."""
        super().handle_websocket_upgrade(event)
        self._stop()
        link = self.transport.get_protocol()
        if isinstance(link, WebSocketProtocol) and self.place is not None:
            link.place, self.place = self.place, None
            # Its end is the conversation's business.
            link.place.rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back, and end."""
        self._stop()
        if self.place is not None:
            self._limits.links.free(self.place)
        if self._has_begun:
            super().connection_lost(exc)

    def _stop(self) -> None:
        super()._stop()
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
