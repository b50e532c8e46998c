"""Clients that would freeze the server for the others: on loopback, few and short."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.server.test_real_server import certified, resident
from tests.support.emotion_squares import as_file, room
from tests.support.live_server import counted, free_port, health, served

client = pytest.importorskip("websockets.sync.client")
from websockets.exceptions import ConnectionClosed  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs addresses of 127/8, and /proc"),
]
PICTURE = as_file(room(["happy"] * 6), ".jpg")
#: Another client than 127.0.0.1.
OTHER = "127.0.0.2"


def linked(port: int, stack: ExitStack, source: str = OTHER) -> socket.socket:
    return stack.enter_context(
        socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
    )


def ends_within(link: socket.socket, seconds: float) -> bool:
    link.settimeout(seconds)
    try:
        return not link.recv(1 << 16)
    except TimeoutError:
        return False
    except OSError:
        return True


def test_silent_connections(tmp_path: Path) -> None:
    """More than there are places: others are served, also of the same address, and they end."""
    port = free_port()
    with served(port, tmp_path), ExitStack() as stack:
        silent = [linked(port, stack) for _ in range(300)]
        assert health(port)["status"] == "ok"
        head = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        own = linked(port, stack)
        own.sendall(head + b"Connection: close\r\n\r\n")
        assert own.recv(100).startswith(b"HTTP/1.1 200")
        # A head that comes a letter at a time, and is never whole.
        slow = linked(port, stack)
        with contextlib.suppress(OSError):
            for letter in head * 2:
                slow.sendall(bytes([letter]))
                time.sleep(0.2)
        assert all(ends_within(one, 0.1) for one in (slow, *silent))


def test_silent_connections_of_https(tmp_path: Path) -> None:
    port = free_port()
    with certified(tmp_path) as files, served(port, tmp_path, **files), ExitStack() as stack:
        silent = [linked(port, stack) for _ in range(300)]
        assert health(port, secure=True)["status"] == "ok"
        time.sleep(12)
        assert all(ends_within(one, 0.1) for one in silent)


def test_more_connections_than_files(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    with served(port, tmp_path, log=log, files=256), ExitStack() as stack:
        for _ in range(400):
            linked(port, stack)
        time.sleep(2)
        assert health(port)["status"] == "ok"
    assert log.stat().st_size < 10_000


def page(port: int, stack: ExitStack, source: str = "127.0.0.1") -> client.ClientConnection:
    address = f"ws://127.0.0.1:{port}/v1/live"
    return stack.enter_context(client.connect(address, sock=linked(port, stack, source)))


def faces(link: client.ClientConnection) -> int:
    link.send(struct.pack(">I", 1) + PICTURE)
    while True:
        message = json.loads(link.recv(timeout=20))
        assert message["type"] != "end", message
        if message["type"] == "faces":
            return len(message["boxes"])


def test_pages_that_never_begin(tmp_path: Path) -> None:
    port = free_port()
    with served(port, tmp_path), ExitStack() as stack:
        silent = [page(port, stack) for _ in range(16)]
        with pytest.raises((AssertionError, ConnectionClosed), match="all are taken"):
            faces(page(port, stack))
        # They share with another address,
        assert faces(page(port, stack, OTHER)) == 6
        time.sleep(11)
        assert counted(port, "fer_clients") == 1
        # and go in time.
        assert faces(page(port, stack)) == 6
        for one in silent:
            assert json.loads(one.recv(timeout=1))["type"] == "end"


def test_pictures_that_never_end(tmp_path: Path) -> None:
    """What they hold is bounded, and another address's picture is read."""
    port = free_port()
    with served(port, tmp_path, view="individual") as process, ExitStack() as stack:
        before = resident(process.pid)
        head = (
            "POST /v1/analyze HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
            f"Content-Length: {15 * 2**20}\r\n\r\n"
        ).encode()
        for _ in range(40):
            link = linked(port, stack)
            link.settimeout(3)
            with contextlib.suppress(OSError):
                link.sendall(head + bytes(14 * 2**20))
        most = resident(process.pid) - before
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/analyze", PICTURE, {"Content-Type": "image/jpeg"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert len(json.load(answer)["faces"]) == 6
        assert most < 350, f"{most:.0f} MB"
        time.sleep(11)
        assert counted(port, 'fer_refused_total{reason="silent"}') > 0


def test_text_that_is_none(tmp_path: Path) -> None:
    """And pieces of a message without end: neither is worth a line of the log."""
    port = free_port()
    log = tmp_path / "log"
    with served(port, tmp_path, log=log), ExitStack() as stack:
        bad = page(port, stack)
        bad.socket.sendall(b"\x81\x82\0\0\0\0\xff\xff")
        with pytest.raises(ConnectionClosed) as closed:
            bad.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007
        endless = page(port, stack)
        with contextlib.suppress(OSError):
            endless.socket.sendall(b"\x02\x80\0\0\0\0" + b"\0\x80\0\0\0\0" * 5000)
        with pytest.raises(ConnectionClosed):
            endless.recv(timeout=5)
        linked(port, stack).sendall(b"what?\r\n\r\n")
        time.sleep(0.2)
        assert counted(port, 'fer_refused_total{reason="malformed"}') == 2
    assert log.read_text() == ""
