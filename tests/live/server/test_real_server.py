"""A server behind a real port: floods, clients that never read, and what it leaves on the disk."""

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.emotion_squares import as_file, room
from tests.support.live_server import counted, free_port, served

client = pytest.importorskip("websockets.sync.client")
from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402

pytestmark = pytest.mark.slow
PICTURE = struct.pack(">I", 1) + as_file(room(["happy"] * 6), ".jpg")


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


def test_tokens_and_origins_at_the_door(folder: Path) -> None:
    port = free_port()
    with served(port, folder, token="right"):
        for options in (
            {},
            {"subprotocols": ["fer.v1", "fer.token." + b"wrong".hex()]},
            {"origin": "http://evil.example"},
        ):
            with pytest.raises(InvalidStatus), client.connect(address(port), **options):
                pass
        right = ["fer.v1", "fer.token." + b"right".hex()]
        with client.connect(address(port), subprotocols=right) as socket:
            assert faces(socket) == 6


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
        # The page of an https server is one of https.
        with pytest.raises(InvalidStatus):
            client.connect(there, origin=f"http://127.0.0.1:{port}", **link)


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
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
