"""A server in this process, and what it needs."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient, WebSocketTestSession

from fer.inference import Recognizer
from fer.live import Source
from fer.live.server import Settings, make_app
from tests.support.emotion_squares import as_file, room, square_recognizer

Serve = Callable[..., TestClient]
Message = dict[str, Any]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return what starts a server and returns a client of it."""
    with ExitStack() as stack:

        def start(
            *, source: Source | None = None, recognizer: Recognizer | None = None, **settings: Any
        ) -> TestClient:
            app = make_app(
                Settings(has_source=source is not None, **settings),
                recognizer or square_recognizer(),
                source,
            )
            return stack.enter_context(TestClient(app, headers={"Host": "localhost:8000"}))

        yield start


def send(socket: WebSocketTestSession, number: int, content: bytes) -> None:
    """Send a frame as a page does."""
    socket.send_bytes(struct.pack(">I", number) + content)


def start(socket: WebSocketTestSession, key: str = "") -> str:
    """Begin as a page does, and return the key of the session."""
    socket.send_text(json.dumps({"type": "start", "resume": key}))
    return str(told(socket, "started")["key"])


def told(socket: WebSocketTestSession, kind: str, passed: list[Message] | None = None) -> Message:
    """Return the next message of a kind; those before it are added to ``passed``."""
    while True:
        message: Message = json.loads(socket.receive_text())
        if message["type"] == kind:
            return message
        if passed is not None:
            passed.append(message)


def look(
    socket: WebSocketTestSession,
    shown: list[str | None],
    number: int = 1,
    passed: list[Message] | None = None,
) -> Message:
    """Send a frame of faces that show something, and return what is told of them."""
    send(socket, number, as_file(room(shown)))
    return told(socket, "faces", passed)
