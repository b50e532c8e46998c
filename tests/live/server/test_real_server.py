"""A server behind a real port: its disk and memory, and clients that would freeze it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.emotion_squares import as_file, room
from tests.support.live_server import counted, free_port, health, served

client = pytest.importorskip("websockets.sync.client")
from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402

pytestmark = pytest.mark.slow
JPEG = as_file(room(["happy"] * 6), ".jpg")
PICTURE = struct.pack(">I", 1) + JPEG
#: Another client than 127.0.0.1.
OTHER = "127.0.0.2"
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs addresses of 127/8, and /proc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[tuple[int, int]]:
    """The port and the process of a server."""
    port = free_port()
    with served(port, folder) as process:
        yield port, process.pid


def faces(socket: client.ClientConnection) -> int:
    """Send a picture as a page would, at a camera's rate, and return how many faces are told."""
    time.sleep(1 / 25)
    socket.send(PICTURE)
    while True:
        message = json.loads(socket.recv(timeout=20))
        assert message["type"] != "end", message
        if message["type"] == "faces":
            return len(message["boxes"])


def address(port: int) -> str:
    return f"ws://127.0.0.1:{port}/v1/live"


def test_a_message_of_100_mb(server: tuple[int, int]) -> None:
    port, _ = server
    with client.connect(address(port)) as other:
        assert faces(other) == 6
        with client.connect(address(port)) as large:
            with contextlib.suppress(ConnectionClosed, OSError):
                large.send(bytes(100_000_000))
            with pytest.raises(ConnectionClosed):
                large.recv(timeout=20)
        assert faces(other) == 6


def test_a_client_that_never_reads(server: tuple[int, int]) -> None:
    """It is dropped, and the others don't notice."""
    port, _ = server
    with client.connect(address(port)) as other:
        assert faces(other) == 6
        with socket.create_connection(("127.0.0.1", port)) as deaf:
            deaf.sendall(
                (
                    f"GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    "Sec-WebSocket-Version: 13\r\n\r\n"
                ).encode()
            )
            deadline = time.monotonic() + 10
            while counted(port, "fer_clients") < 2:
                assert time.monotonic() < deadline
            # Frames whose answers it never takes; mask and payload of zeros.
            head = struct.pack(">BBH", 0x82, 0x80 | 126, len(PICTURE)) + bytes(4)
            while counted(port, "fer_clients") > 1:
                assert time.monotonic() < deadline + 40, "it is still there"
                try:
                    deaf.sendall(head + PICTURE)
                except OSError:
                    continue
                assert faces(other) == 6
                time.sleep(0.1)
        assert faces(other) == 6


@contextmanager
def certified(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the settings of https, with a certificate that is nobody's."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    cert, key = folder / "cert.pem", folder / "key.pem"
    try:
        command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
        subprocess.run(command, check=True, capture_output=True)
        yield {"certificate": str(cert), "key": str(key)}
    finally:
        cert.unlink(missing_ok=True)
        key.unlink(missing_ok=True)


def test_https(folder: Path) -> None:
    port = free_port()
    with certified(folder) as files, served(port, folder, **files, token="right"):
        trusting = ssl._create_unverified_context()
        link = {"ssl": trusting, "subprotocols": ["fer.v1", "fer.token." + b"right".hex()]}
        there = f"wss://127.0.0.1:{port}/v1/live"
        with client.connect(there, origin=f"https://127.0.0.1:{port}", **link) as socket:
            assert faces(socket) == 6
        # The page of an https server is one of https; others, and wrong tokens, are refused.
        wrong = {"subprotocols": ["fer.v1", "fer.token." + b"wrong".hex()]}
        own = {"origin": f"http://127.0.0.1:{port}"}
        for options in (wrong, own, {"origin": "https://evil.example"}, {"subprotocols": []}):
            with pytest.raises(InvalidStatus):
                client.connect(there, **(link | options))


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


@linux
def test_no_picture_is_left_and_memory_stays(server: tuple[int, int], folder: Path) -> None:
    """Open files and temporary folders, while a session goes on and after it."""
    port, pid = server

    def holds_no_picture() -> None:
        for path in folder.rglob("*"):
            assert not path.is_file(), f"{path} was left"
        for one in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = one.readlink()
            except OSError:
                continue
            # Code, devices, sockets and pipes; no file that can be written to.
            if target.is_absolute() and target.is_file():
                flags = Path(f"/proc/{pid}/fdinfo/{one.name}").read_text().split("flags:")[1]
                assert int(flags.split()[0], 8) & (os.O_WRONLY | os.O_RDWR) == 0, target
            assert "deleted" not in str(target), target

    with client.connect(address(port)) as socket:
        for _ in range(50):
            assert faces(socket) == 6
        holds_no_picture()
        before = resident(pid)
        for _ in range(200):
            faces(socket)
        assert resident(pid) - before < 20
    holds_no_picture()


# --- attacks --------------------------------------------------------------------------------


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


@linux
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
    with certified(tmp_path) as files, served(port, tmp_path, **files), ExitStack() as stack:
        silent = [linked(port, stack) for _ in range(300)]
        assert health(port, secure=True)["status"] == "ok"
        time.sleep(12)
        assert all(ends_within(one, 0.1) for one in silent)


@linux
def test_more_connections_than_files(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    with served(port, tmp_path, log=log, files=256), ExitStack() as stack:
        for _ in range(400):
            linked(port, stack)
        time.sleep(2)
        assert health(port)["status"] == "ok"
    assert log.stat().st_size < 10_000


def page_of(port: int, stack: ExitStack, source: str = "127.0.0.1") -> client.ClientConnection:
    return stack.enter_context(client.connect(address(port), sock=linked(port, stack, source)))


@linux
def test_pages_that_never_begin(tmp_path: Path) -> None:
    port = free_port()
    with served(port, tmp_path), ExitStack() as stack:
        silent = [page_of(port, stack) for _ in range(16)]
        with pytest.raises((AssertionError, ConnectionClosed), match="all are taken"):
            faces(page_of(port, stack))
        # They share with another address,
        assert faces(page_of(port, stack, OTHER)) == 6
        time.sleep(11)
        assert counted(port, "fer_clients") == 1
        # and go in time.
        assert faces(page_of(port, stack)) == 6
        for one in silent:
            assert json.loads(one.recv(timeout=1))["type"] == "end"


@linux
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
            f"http://127.0.0.1:{port}/v1/analyze", JPEG, {"Content-Type": "image/jpeg"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert len(json.load(answer)["faces"]) == 6
        assert most < 350, f"{most:.0f} MB"
        time.sleep(11)
        assert counted(port, 'fer_refused_total{reason="silent"}') > 0


@linux
def test_text_that_is_none(tmp_path: Path) -> None:
    """And pieces of a message without end: neither is worth a line of the log."""
    port = free_port()
    log = tmp_path / "log"
    with served(port, tmp_path, log=log), ExitStack() as stack:
        bad = page_of(port, stack)
        bad.socket.sendall(b"\x81\x82\0\0\0\0\xff\xff")
        with pytest.raises(ConnectionClosed) as closed:
            bad.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007
        endless = page_of(port, stack)
        with contextlib.suppress(OSError):
            endless.socket.sendall(b"\x02\x80\0\0\0\0" + b"\0\x80\0\0\0\0" * 5000)
        with pytest.raises(ConnectionClosed):
            endless.recv(timeout=5)
        linked(port, stack).sendall(b"what?\r\n\r\n")
        time.sleep(0.2)
        assert counted(port, 'fer_refused_total{reason="malformed"}') == 2
    assert log.read_text() == ""
