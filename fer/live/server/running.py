"""The application behind a port."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from fer.live.server.settings import MESSAGE, SLOW, WAITING, Settings


class PatientProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that drops who takes nothing: after a few seconds without room for more."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set how much may wait."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WAITING)

    def pause_writing(self) -> None:
        """Begin to count: what waits is too much."""
        super().pause_writing()
        self._deadline = self.loop.call_later(SLOW, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop counting: there is room again."""
        super().resume_writing()
        self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting, and end."""
        self._stop()
        super().connection_lost(exc)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def configuration(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return how the server runs: no log of addresses, no word of what it is made of."""
    tls: dict[str, Any] = {}
    if settings.is_secure:
        tls = {"ssl_certfile": settings.certificate, "ssl_keyfile": settings.key}
    return uvicorn.Config(
        app,
        http="h11",
        ws=PatientProtocol,
        ws_max_size=MESSAGE,
        ws_ping_interval=10,
        ws_ping_timeout=10,
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=256,
        timeout_graceful_shutdown=2,
        **tls,
    )


def run(app: FastAPI, settings: Settings, listening: socket.socket) -> None:
    """Serve until Ctrl-C or a signal to end.

    Args:
        app: what is served.
        settings: of the server.
        listening: the socket.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    uvicorn.Server(configuration(app, settings)).run(sockets=[listening])
