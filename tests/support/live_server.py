"""A server in a process of its own, that reads squares: ``python -m tests.support.live_server``."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def served(
    port: int, folder: Path, *, log: Path | None = None, files: int | None = None, **settings: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Serve until the block ends; temporary files would lie in ``folder``.

    Args:
        port: that it listens on.
        folder: where it works.
        log: where it writes what it says; None: nowhere.
        files: that it may have open; None: as many as this process.
        settings: of the server, beside the port.
    """

    def limited() -> None:
        import resource

        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    with Path(log or os.devnull).open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.live_server", str(port), json.dumps(settings)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
            # Not pytest's files, in a test that looks at the server's open ones.
            stdout=subprocess.DEVNULL,
            stderr=said,
            preexec_fn=None if os.name == "nt" else limited,  # noqa: PLW1509
        )
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                health(port, secure="certificate" in settings)
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def health(port: int, *, secure: bool = False) -> dict[str, str]:
    scheme = "https" if secure else "http"
    # The certificate is the test's own, known to nobody.
    trusting = ssl._create_unverified_context() if secure else None
    address = f"{scheme}://127.0.0.1:{port}/health"
    with urllib.request.urlopen(address, timeout=5, context=trusting) as answer:
        told: dict[str, str] = json.load(answer)
        return told


def counted(port: int, name: str) -> float:
    """Return a number of the server's metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(name + " ")))


def main() -> None:
    from fer.live.server import Settings, bind_socket, make_app, run
    from tests.support.emotion_squares import square_recognizer

    settings = Settings(port=int(sys.argv[1]), **json.loads(sys.argv[2]))
    with bind_socket(settings) as bound:
        run(make_app(settings, square_recognizer()), settings, bound)


if __name__ == "__main__":
    main()
