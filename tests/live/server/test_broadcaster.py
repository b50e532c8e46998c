"""A source of the server: watched once, told to all pages alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

from fer.live import Frame
from fer.live.server.broadcaster import paced
from fer.pixels import Image
from tests.live.server.conftest import Serve, start, told
from tests.support.emotion_squares import room


class Given:
    """A source of some frames, at a rate, that can be slow."""

    total = None
    is_lost = False

    def __init__(self, frames: list[Image], rate: float = 50, live: bool = False) -> None:
        self._frames = frames
        self.rate = rate
        self.is_live = live
        self.is_closed = False

    def frames(self) -> Generator[Frame, None, None]:
        try:
            for number, image in enumerate(self._frames):
                yield Frame(image, number / self.rate, number)
        finally:
            self.is_closed = True


def test_all_pages_are_told_the_same_without_pictures(serve: Serve) -> None:
    source = Given([room(["happy"] * 6 + ["sad"] * 4)] * 120, rate=20)
    client = serve(source=source, seconds=1.0, source_name="hall")
    welcome = client.get("/v1/welcome").json()
    assert (welcome["source"], welcome["name"]) == ("server", "hall")
    heard = []
    for _ in range(2):
        with client.websocket_connect("/v1/live") as socket:
            start(socket)
            heard.append([told(socket, "window") for _ in range(2)])
            faces = told(socket, "faces")
            assert set(faces) == {"type", "size", "boxes", "took"}
            assert len(faces["boxes"]) == 10
            # What a page sends is nobody's.
            socket.send_bytes(b"\0\0\0\1garbage")
    assert heard[0] == heard[1]
    answer = client.get("/v1/timeline")
    assert [one for one in answer.json()["timeline"] if one["type"] == "window"][:2] == heard[0]
    assert client.get("/health").json()["source"] == "running"
    assert serve().get("/v1/timeline").status_code == 404, "own cameras have a session each"


def test_four_faces_are_withheld_and_the_end_is_told(serve: Serve) -> None:
    source = Given([room(["happy"] * 4)] * 12, rate=4, live=True)
    client = serve(source=source, seconds=1.0)
    deadline = time.monotonic() + 20
    while client.get("/health").json()["source"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with client.websocket_connect("/v1/live") as socket:
        start(socket)
        assert told(socket, "source")["state"] == "ended"
    assert source.is_closed
    windows = client.get("/v1/timeline").json()["timeline"]
    assert len(windows) == 2
    assert all(one["withheld"] == "few" and one["shares"] is None for one in windows)
    assert all(one["faces_median"] == 4 for one in windows)


def test_a_film_keeps_its_pace() -> None:
    source = Given([room([])] * 30, rate=100)
    ended = threading.Event()
    began = time.monotonic()
    numbers = []
    for frame in paced(source, ended):
        numbers.append(frame.number)
        if frame.number == 5:
            # Whoever looks too long misses what came meanwhile.
            time.sleep(0.1)
    assert time.monotonic() - began >= 0.27
    assert 6 not in numbers
    assert numbers[:3] == [0, 1, 2]
    ended.set()
    assert list(paced(Given([room([])] * 30), ended)) == []


def test_a_film_that_can_not_be_read_in_time_is_shown_all_the_same() -> None:
    class Slow(Given):
        def frames(self) -> Generator[Frame, None, None]:
            for frame in super().frames():
                time.sleep(0.03)
                yield frame

    frames = list(paced(Slow([room([])] * 60, rate=1000), threading.Event()))
    assert 2 <= len(frames) < 30
