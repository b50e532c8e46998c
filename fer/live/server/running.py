"""The application behind a port."""

from __future__ import annotations

import logging
import socket
import ssl
from typing import Final

import uvicorn
from fastapi import FastAPI

from fer.live.server.places import Slots
from fer.live.server.settings import LINKS, MESSAGE, Settings
from fer.live.server.transport import Config, HttpProtocol, WebSocketProtocol

#: What uvicorn writes down of a client's mistake, with a traceback even; here it is counted.
_MISTAKES: Final = ("Invalid HTTP request", "Invalid UTF-8", "Unsupported upgrade request")


def configuration(app: FastAPI, settings: Settings) -> Config:
    """Return how the server runs: no log of addresses, no word of what it is made of."""
    tls = None
    if settings.certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(settings.certificate, settings.key)
    room = _room()
    made = Config(
        app,
        Slots(room, 0),
        tls,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=MESSAGE,
        ws_ping_interval=10,
        ws_ping_timeout=10,
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # As many are taken up in one go, before the others are counted.
        backlog=room // 2,
        timeout_graceful_shutdown=2,
    )

    def is_no_mistake(record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith(_MISTAKES):
            return True
        made.metrics.refused["malformed"] += 1
        return False

    logging.getLogger("uvicorn.error").addFilter(is_no_mistake)
    # Which says of every form that can't be read why not.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    return made


def _room() -> int:
    """Return how many connections there may be, and let there be files for as many.

    Beyond the limit of open files nothing could be accepted, and each try would be written down.
    """
    try:
        import resource
    except ImportError:
        return LINKS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * LINKS
    if 0 <= soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Some are on their way in or out, and the server has files of its own.
    return LINKS if soft < 0 else min(LINKS, max(8, soft // 4))


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
