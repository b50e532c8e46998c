"""The application behind a port, for clients that do their part in time and share its slots."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Final, cast

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from fer.live.server import settings as limits
from fer.live.server.limits import Slot, Slots
from fer.live.server.metrics import Metrics
from fer.live.server.settings import Settings

if TYPE_CHECKING:
    from websockets.frames import Frame

#: What uvicorn logs of a client's mistake, with a traceback even; here it is counted.
_MISTAKES: Final = ("Invalid HTTP request", "Invalid UTF-8", "Unsupported upgrade request")


def run(app: FastAPI, settings: Settings, bound: socket.socket) -> None:
    """Serve until Ctrl-C or a signal to end."""
    config = _Config(app, settings)

    def is_ours(record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith(_MISTAKES):
            return True
        config.metrics.refuse("malformed")
        return False

    logging.getLogger("uvicorn.error").addFilter(is_ours)
    # It logs why a form can't be read.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    uvicorn.Server(config).run(sockets=[bound])


class _Config(uvicorn.Config):
    """How the server runs: no log of addresses, no word of what it is made of."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        room = _connection_limit()
        super().__init__(
            app,
            http=HttpProtocol,
            ws=WebSocketProtocol,
            ws_max_size=limits.MAX_MESSAGE,
            ws_ping_interval=10,
            ws_ping_timeout=10,
            ws_per_message_deflate=False,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # As many are accepted in one go, before the others are counted.
            backlog=room // 2,
            timeout_graceful_shutdown=2,
        )
        self.slots = Slots(room, 0)
        self.metrics: Metrics = app.state.metrics
        #: The handshake is done here, since uvicorn lets one last a minute.
        self.tls: ssl.SSLContext | None = None
        if settings.certificate is not None:
            self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.tls.load_cert_chain(settings.certificate, settings.key)


def _connection_limit() -> int:
    """Return how many connections there may be, and raise the limit of open files for them."""
    try:
        import resource
    except ImportError:
        return limits.MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * limits.MAX_CONNECTIONS
    if 0 <= soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Some are on their way in or out, and the server has files of its own.
    return limits.MAX_CONNECTIONS if soft < 0 else min(limits.MAX_CONNECTIONS, max(8, soft // 4))


class _SendTimeout(asyncio.Protocol):
    """A connection that is cut when its client takes nothing for a few seconds."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    #: The slot that it holds.
    slot: Slot | None = None
    _deadline: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Cut the connection unless there is room again in time."""
        super().pause_writing()
        self._deadline = self.loop.call_later(limits.SEND_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """Leave the connection: there is room again."""
        super().resume_writing()
        self._stop()

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class WebSocketProtocol(_SendTimeout, WebSocketsSansIOProtocol):
    """A WebSocket that drops who takes nothing, or goes on after its end."""

    _after_end = _fragments = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set how much may wait."""
        super().connection_made(transport)
        self.close_timeout = limits.SEND_TIMEOUT
        self.transport.set_write_buffer_limits(high=limits.SEND_BUFFER)

    def data_received(self, data: bytes) -> None:
        """Take data; after the end only what was on its way."""
        if self.close_sent:
            self._after_end += len(data)
            if self._after_end > limits.MAX_MESSAGE // 4:
                self.transport.abort()
                return
        super().data_received(data)

    def handle_cont(self, event: Frame) -> None:
        """Take a further fragment of a message; empty ones could come for ever."""
        self._fragments = 0 if event.fin else self._fragments + 1
        if self._fragments > limits.MAX_FRAGMENTS:
            self.transport.abort()
            return
        super().handle_cont(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the slot."""
        self._stop()
        if self.slot is not None:
            cast("_Config", self.config).slots.release(self.slot)
        super().connection_lost(exc)


class HttpProtocol(_SendTimeout, H11Protocol):
    """HTTP for clients that send what they have to in time; the others give their slot up."""

    _clock: asyncio.TimerHandle | None = None
    _has_begun = False
    _since = 0.0
    _early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a slot, and begin, with https by the handshake."""
        raw = cast("asyncio.Transport", transport)
        self._settings = cast("_Config", self.config)
        peer = raw.get_extra_info("peername")
        self.slot = self._settings.slots.acquire(peer[0] if peer else "", self._crowded_out)
        self._raw = raw
        if self.slot is None:
            self._crowded_out()
        elif self._settings.tls is None:
            self._begin(raw)
        else:
            raw.pause_reading()
            self._handshake = self.loop.create_task(self._encrypt(self._settings.tls))

    async def _encrypt(self, tls: ssl.SSLContext) -> None:
        try:
            encrypted = await self.loop.start_tls(
                self._raw, self, tls, server_side=True, ssl_handshake_timeout=limits.HEAD_TIMEOUT
            )
        except OSError:
            encrypted = None
        if encrypted is None:
            self._raw.abort()
            self.connection_lost(None)
        else:
            self._begin(encrypted)
            if self._early:
                self.data_received(self._early)

    def _begin(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._has_begun = True
        self._since = self._heard = self.loop.time()
        self._tick()

    def _crowded_out(self) -> None:
        self._settings.metrics.refuse("crowded")
        self._raw.abort()

    @property
    def _has_to_send(self) -> bool:
        """Whether it is the client's turn: the server does not work for it."""
        is_working = self.cycle is not None and not self.cycle.response_complete
        return not is_working or self.conn.their_state is h11.SEND_BODY

    def _tick(self) -> None:
        """Check once a second whether the client is late."""
        now = self.loop.time()
        if self._has_to_send:
            is_body = self.conn.their_state is h11.SEND_BODY
            is_late = now - self._since > (limits.BODY_TIMEOUT if is_body else limits.HEAD_TIMEOUT)
            if is_late or (is_body and now - self._heard > limits.BODY_SILENCE):
                self._settings.metrics.refuse("silent")
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
        self._update_slot()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._since = self.loop.time()
        super().on_response_complete()
        self._update_slot()

    def _update_slot(self) -> None:
        if self.slot is not None:
            self.slot.touch()
            if not self._has_to_send:
                self.slot.work()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the slot on."""
        super().handle_websocket_upgrade(event)
        self._stop()
        link = self.transport.get_protocol()
        if isinstance(link, WebSocketProtocol) and self.slot is not None:
            link.slot, self.slot = self.slot, None
            # How long it may be silent is decided there.
            link.slot.rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the slot."""
        self._stop()
        if self.slot is not None:
            self._settings.slots.release(self.slot)
        if self._has_begun:
            super().connection_lost(exc)

    def _stop(self) -> None:
        super()._stop()
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
