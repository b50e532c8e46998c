"""What a page is told, and what happens to pages that misbehave."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from starlette.testclient import WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from fer.core.labels import EMOTIONS
from fer.live.server import settings, worker
from fer.live.server.connection import TAKEN_OVER
from fer.live.server.metrics import Metrics
from fer.live.server.sessions import SessionStore
from fer.pixels import Image
from tests.live.server.conftest import Message, Serve, look, send, start, told
from tests.support.emotion_squares import as_file, room, square_recognizer

LIVE = "/v1/live"


@pytest.fixture
def half_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let half a second pass from frame to frame."""
    clock = itertools.count()
    monkeypatch.setattr("fer.live.server.sessions._now", lambda: next(clock) / 2)


def ended(socket: WebSocketTestSession) -> tuple[int, str]:
    """Return the code and the words with which the server ends a link."""
    words = told(socket, "end")["words"]
    with pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()
    return closed.value.code, words


@pytest.mark.usefixtures("half_seconds")
def test_nothing_of_a_single_face_in_the_class_view(serve: Serve) -> None:
    """Whatever four faces show, the page is told the same."""
    heard = []
    for emotion in ("happy", "angry"):
        messages: list[Message] = []
        with serve(seconds=1.0).websocket_connect(LIVE) as socket:
            for number in range(16):
                messages.append(look(socket, [emotion] * 4, number, messages))
        assert {one["withheld"] for one in messages if one["type"] == "window"} == {"few"}
        heard.append([one for one in messages if one["type"] != "started"])
    assert heard[0] == heard[1]
    assert not any(name in json.dumps(heard) for name in EMOTIONS)
    last = next(one for one in reversed(heard[0]) if one["type"] == "faces")
    assert set(last) == {"type", "id", "size", "boxes"}
    assert (last["id"], last["size"], len(last["boxes"])) == (15, [640, 480], 4)
    assert last["boxes"][0] == pytest.approx([10, 10, 60, 60], abs=2)


@pytest.mark.usefixtures("half_seconds")
def test_the_group_is_told(serve: Serve) -> None:
    passed: list[Message] = []
    client = serve(seconds=1.0, index="sharma2019")
    welcome = client.get("/v1/welcome").json()["index"]
    assert all(welcome[key] for key in ("formula", "source", "evidence"))
    with client.websocket_connect(LIVE) as socket:
        for number in range(12):
            look(socket, ["happy"] * 6 + ["sad"] * 4, number, passed)
    windows = [one for one in passed if one["type"] == "window"]
    assert windows[0]["withheld"] == "changing"
    last = windows[-1]
    assert (last["counts"]["happy"], last["counts"]["angry"]) == ([6, 8], [0, 2])
    assert (last["faces_median"], last["faces"], last["read"]) == (10, 10, 10)
    assert last["index"] == pytest.approx(0.5, abs=0.06)


def test_one_person_at_their_own_camera(serve: Serve) -> None:
    recognizer = square_recognizer()
    answer, read = recognizer.model.answer, []

    def counted(images, *args, **options):  # type: ignore[no-untyped-def]
        read.append(len(images))
        return answer(images, *args, **options)

    recognizer.model.answer = counted  # type: ignore[method-assign]
    client = serve(view="individual", recognizer=recognizer)
    with client.websocket_connect(LIVE) as socket:
        message = look(socket, ["surprise"])
        assert message["own"]["label"] == "surprise"
        assert sum(message["own"]["probabilities"].values()) == pytest.approx(1, abs=0.01)
        message = look(socket, ["surprise", "angry"])
        assert len(message["boxes"]) == 2
        assert message["own"]["label"] == "surprise"
        assert "own" not in look(socket, [])
    assert len(set(read)) == 1, "others in the picture are not read"


@pytest.mark.usefixtures("half_seconds")
def test_a_page_that_comes_back_resumes_its_session(serve: Serve) -> None:
    """So that two sessions can't be compared: eleven faces, then ten."""
    client = serve(seconds=1.0)
    passed: list[Message] = []
    with client.websocket_connect(LIVE) as socket:
        key = start(socket)
        for number in range(12):
            look(socket, [*["neutral"] * 10, "angry"], number)
    with client.websocket_connect(LIVE) as socket:
        assert start(socket, key) == key
        for number in range(12):
            look(socket, ["neutral"] * 10, number, passed)
    windows = [one for one in passed if one["type"] == "window"]
    # What was told before is told again, once.
    assert [one["number"] for one in windows] == list(range(len(windows)))
    assert len(windows) > 9
    assert len({json.dumps(one["shares"]) for one in windows if one["shares"]}) == 1
    assert {one["faces"] for one in windows if one["shares"]} == {10}
    assert windows[-1]["faces_median"] == 10
    assert not windows[-1]["withheld"]
    with client.websocket_connect(LIVE) as socket:
        assert start(socket, "guessed") not in {"guessed", key}


@pytest.mark.usefixtures("half_seconds")
def test_another_tab_takes_the_session_over(serve: Serve) -> None:
    """Two sessions of six faces would be two draws."""
    client = serve(seconds=1.0)
    with client.websocket_connect(LIVE) as first:
        key = start(first)
        for number in range(12):
            look(first, ["happy"] * 6, number)
        with client.websocket_connect(LIVE) as second:
            assert start(second, key) == key
            assert told(second, "window")["number"] == 0
            send(first, 13, as_file(room(["happy"] * 6)))
            assert ended(first)[0] == TAKEN_OVER
            assert look(second, ["happy"] * 6)["boxes"]


def test_a_session_is_forgotten_without_another_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer.live.server.sessions.SESSION_KEPT", 0.05)

    async def leaves() -> tuple[int, int]:
        store = SessionStore(square_recognizer(), settings.Settings(), Metrics())
        key, _ = store.acquire("", "page")
        store.release(key, "page")
        kept = len(store)
        await asyncio.sleep(0.3)
        return kept, len(store)

    assert asyncio.run(leaves()) == (1, 0)


BAD_MESSAGES: dict[str, str | bytes] = {
    "text": "hello",
    "other JSON": "[1]",
    "nested JSON": "[" * 50_000,
    "no key": '{"type": "start"}',
    "a long key": json.dumps({"type": "start", "resume": "x" * 1000}),
    "too short": b"ab",
    "empty": b"",
}


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_messages_that_can_not_be_understood(serve: Serve, name: str) -> None:
    message = BAD_MESSAGES[name]
    with serve().websocket_connect(LIVE) as socket:
        if isinstance(message, str):
            socket.send_text(message)
        else:
            socket.send_bytes(message)
        assert ended(socket)[0] == 1007


def test_garbage_for_pictures(serve: Serve) -> None:
    from tests.live.server.test_analysis import bomb

    client = serve()
    with client.websocket_connect(LIVE) as other:
        with client.websocket_connect(LIVE) as socket:
            send(socket, 2, bomb())
            problem = told(socket, "problem")
            assert problem["id"] == 2
            assert "pixels" in problem["words"]
            # One is forgiven, also many among good ones.
            for number in range(3, 2 * settings.MAX_UNREADABLE + 3):
                if number % 10 == 0:
                    look(socket, ["sad"], number)
                else:
                    send(socket, number, b"garbage")
                    told(socket, "problem")
            assert look(socket, ["sad"], 99)
            # One by one: of frames that come faster than they are read some are left out.
            for number in range(settings.MAX_UNREADABLE - 1):
                send(socket, number, b"garbage")
                told(socket, "problem")
            send(socket, settings.MAX_UNREADABLE, b"garbage")
            assert ended(socket)[0] == 1007
        assert len(look(other, ["happy"])["boxes"]) == 1


def test_the_seventeenth_page(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told so; a page that was silent for long gives way."""
    slept = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + slept[0])
    monkeypatch.setattr("fer.live.server.limits.time", clock)
    client = serve()
    with ExitStack() as stack:

        def page() -> WebSocketTestSession:
            return stack.enter_context(client.websocket_connect(LIVE))

        sockets = [page() for _ in range(settings.MAX_PAGES)]
        for one in sockets:
            look(one, ["happy"])
        assert ended(page())[0] == 1013
        metrics = client.get("/metrics").text
        assert 'fer_refused_total{reason="connections"} 1.0' in metrics
        assert "fer_clients 16.0\n" in metrics
        slept[0] = settings.PAGE_IDLE + 1
        for one in sockets[1:]:
            look(one, ["happy"])
        assert look(page(), ["happy"])["boxes"]
        assert ended(sockets[0])[0] == 1013
        assert look(sockets[1], ["happy"])["boxes"]


def test_a_slow_picture_holds_up_no_other_page(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do many: each page has one in work at most."""
    decoded, is_over = worker.decoded, threading.Event()

    def slowly(data: bytes, **options: int) -> Image:
        if data == b"slow":
            assert is_over.wait(20)
        return decoded(data, **options)

    monkeypatch.setattr(worker, "decoded", slowly)
    client = serve()
    with ExitStack() as stack:
        for _ in range(settings.MAX_PAGES - 1):
            send(stack.enter_context(client.websocket_connect(LIVE)), 1, b"slow")
        socket = stack.enter_context(client.websocket_connect(LIVE))
        stack.callback(is_over.set)
        began = time.monotonic()
        assert look(socket, ["happy"])["boxes"]
        assert time.monotonic() - began < 10


def test_too_many_messages(serve: Serve) -> None:
    client = serve()
    content = as_file(room(["happy"]))
    with client.websocket_connect(LIVE) as socket:
        for _ in range(settings.MESSAGE_BURST + 200):
            send(socket, 1, content)
        assert ended(socket)[0] == 1008
    # Frames that nobody had time for were dropped, not queued.
    assert "fer_frames_dropped_total 0.0" not in client.get("/metrics").text


def test_metrics_and_health(serve: Serve) -> None:
    client = serve()
    with client.websocket_connect(LIVE) as socket:
        look(socket, ["happy"] * 6)
        text = client.get("/metrics").text
    assert "fer_clients 1.0\n" in text
    assert "fer_frames_total 1.0\n" in text
    assert 'fer_frame_seconds_bucket{le="+Inf"} 1.0\n' in text
    assert not any(name in text for name in EMOTIONS)
    assert client.get("/health").json()["status"] == "ok"


def test_a_defect_is_told_without_details(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve()

    def broken(*_: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr("fer.live.server.sessions.group_faces", broken)
    with client.websocket_connect(LIVE) as socket:
        send(socket, 1, as_file(room(["happy"])))
        code, words = ended(socket)
    assert code == 1011
    assert "secret" not in words
