"""Who may ask the server, and what its answers allow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from fer.live.server.security import PROTOCOL, token_protocol
from tests.live.server.conftest import Serve

PAGE = Path(__file__).parents[3] / "fer" / "live" / "server" / "page"
HOSTS = {
    "localhost": True,
    "localhost:8000": True,
    "127.0.0.1:8000": True,
    "[::1]:8000": True,
    "192.168.1.5": True,
    "school.example:8000": True,
    "evil.example": False,
    "evil.example:8000": False,
    "localhost.evil.example": False,
    "": False,
    "a b": False,
    "[::1": False,
    "127.1": False,
}


def is_linked(client: TestClient, **options: Any) -> bool:
    """Return True if a WebSocket is accepted."""
    try:
        with client.websocket_connect("/v1/live", **options):
            return True
    except WebSocketDenialResponse:
        return False


@pytest.mark.parametrize("host", HOSTS)
def test_names_that_lead_here(serve: Serve, host: str) -> None:
    client = serve(names=("School.Example",))
    headers = {"Host": host}
    assert client.get("/", headers=headers).status_code == (200 if HOSTS[host] else 421)
    assert is_linked(client, headers=headers) is HOSTS[host]


ORIGINS = {
    "http://localhost:8000": True,
    "https://localhost:8000": False,
    "http://localhost:9000": False,
    "http://evil.example": False,
    "null": False,
}


@pytest.mark.parametrize("origin", ORIGINS)
def test_pages_that_ask(serve: Serve, origin: str) -> None:
    client, is_own = serve(view="individual"), ORIGINS[origin]
    headers = {"Origin": origin}
    refused = client.post("/v1/analyze", headers=headers, content=b"x").status_code == 403
    assert refused is not is_own
    assert (client.get("/v1/welcome", headers=headers).status_code == 403) is not is_own
    assert is_linked(client, headers=headers) is is_own


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_pages_that_name_no_origin(serve: Serve, site: str) -> None:
    client = serve(view="individual")
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    assert client.post("/v1/analyze", headers=headers, content=b"x").status_code == 403
    assert client.get("/v1/welcome", headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 403
    # A link that somebody follows leads to the page, and to nothing else.
    headers["Sec-Fetch-Mode"] = "navigate"
    assert client.get("/", headers=headers).status_code == 200
    assert client.get("/metrics", headers=headers).status_code == 403
    assert client.post("/", headers=headers).status_code == 403


def test_who_tries_tokens_has_to_wait(serve: Serve) -> None:
    client = serve(token="right")
    wrong, right = ({"Authorization": f"Bearer {word}"} for word in ("wrong", "right"))
    codes = [client.get("/v1/welcome", headers=wrong).status_code for _ in range(30)]
    assert codes[0] == 401
    assert codes[-1] == 429
    # Then not even the right one is told from a wrong one.
    assert client.get("/v1/welcome", headers=right).status_code == 429
    # A page that has none yet is asked for it, and another address is not concerned.
    assert client.get("/v1/welcome").status_code == 401
    other = TestClient(client.app, headers={"Host": "localhost"}, client=("192.0.2.9", 1))
    assert other.get("/v1/welcome", headers=right).status_code == 200


def test_token(serve: Serve) -> None:
    client = serve(token="right")
    for path in ("/v1/welcome", "/metrics", "/v1/timeline"):
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Bearer "},
            {"Authorization": "right"},
            {"Authorization": "Bearer rig\xe9".encode("latin-1")},
        ):
            assert client.get(path, headers=headers).status_code == 401, (path, headers)
        answer = client.get(path, headers={"Authorization": "Bearer right"})
        assert answer.status_code in {200, 404}
    # The page is words alone, and asks for the token.
    for path in ("/", "/page/main.js", "/health"):
        assert client.get(path).status_code == 200
    assert client.get("/v1/welcome?token=right").status_code == 401


def test_token_of_a_websocket(serve: Serve) -> None:
    client = serve(token="right")
    for protocols in ([], [PROTOCOL], [PROTOCOL, token_protocol("wrong")], ["fer.token.zz"]):
        assert not is_linked(client, subprotocols=protocols)
    right = [PROTOCOL, token_protocol("right")]
    with client.websocket_connect("/v1/live", subprotocols=right) as socket:
        # The token is not repeated.
        assert socket.accepted_subprotocol == PROTOCOL


def test_tokens_are_compared_in_constant_time(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    monkeypatch.setattr(
        "fer.live.server.security.hmac.compare_digest",
        lambda a, b: compared.append((a, b)) or a == b,
    )
    client = serve(token="right")
    assert client.get("/v1/welcome", headers={"Authorization": "Bearer x"}).status_code == 401
    assert compared == [(b"x", b"right")]


def test_every_answer_forbids_what_is_elsewhere(serve: Serve) -> None:
    client = serve(token="right")
    for path in ("/", "/page/main.js", "/health", "/v1/welcome", "/nowhere", "/openapi.json"):
        headers = client.get(path).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["connect-src"] == "'self' ws://localhost:8000 wss://localhost:8000"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "server" not in headers


def test_the_page_asks_no_other_host() -> None:
    files = [path for path in PAGE.iterdir() if path.is_file()]
    assert {"index.html", "main.js", "style.css"} <= {path.name for path in files}
    for path in files:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]", text), path.name
        assert "style=" not in text.replace("aspect", ""), path.name
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son[a-z]+=|<style|<script(?![^>]* src=)", html)


def test_no_path_in_any_answer(serve: Serve) -> None:
    client = serve(view="individual")
    here = str(Path(__file__).parents[3])
    answers = [
        client.get("/page/../../settings.py"),
        client.get("/page/%2e%2e/app.py"),
        client.get("/nowhere"),
        client.post("/v1/analyze", content=b"x", headers={"Content-Type": "image/png"}),
        client.get("/v1/welcome"),
        client.get("/openapi.json"),
        client.get("/metrics"),
    ]
    for answer in answers:
        assert here not in answer.text
        assert ".py" not in answer.text
    assert [one.status_code for one in answers[:4]] == [404, 404, 404, 400]
