"""A real browser at the page: what a teacher would see, and what leaves the machine: nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.browser import chromium, playing, write_camera_clip
from tests.support.emotion_squares import room
from tests.support.live_server import free_port, served

pytestmark = pytest.mark.slow
#: Milliseconds; the machine may be busy.
PATIENCE = 120_000


@pytest.fixture(scope="module")
def play() -> Iterator[Any]:
    with playing() as started:
        yield started


@pytest.fixture(scope="module")
def browser(play: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    frames = [room(["happy"] * 5 + ["neutral"] * 5)] * 10
    clip = write_camera_clip(tmp_path_factory.mktemp("clip") / "class.mjpeg", frames)
    with chromium(play, clip) as started:
        yield started


class Visit:
    """A page that writes down what it asks for and complains of."""

    def __init__(self, browser: Any, port: int, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.port = port
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda one: self.asked.append(one.url))
        self.page.on("websocket", lambda one: self.asked.append(one.url))
        self.page.on("pageerror", lambda one: self.complaints.append(str(one)))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        # What a lost link makes the browser say is no complaint.
        if message.type == "error" and "WebSocket connection" not in message.text:
            self.complaints.append(message.text)

    def open(self, fragment: str = "") -> None:
        self.page.goto(f"http://127.0.0.1:{self.port}/{fragment}")

    def start(self) -> None:
        """Begin by the keyboard alone."""
        self.page.get_by_role("button", name="Start the camera").wait_for()
        for _ in range(10):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("document.activeElement.id") == "start":
                break
        self.page.keyboard.press("Enter")

    def waits_until(self, script: str) -> None:
        """Wait for something to be true; the page itself may not evaluate strings."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(script):
            assert time.monotonic() < deadline, (script, self.page.inner_text("body"))
            self.page.wait_for_timeout(100)

    def waits_for(self, selector: str, text: str) -> None:
        self.waits_until(
            f"document.querySelector({json.dumps(selector)}).textContent.includes("
            f"{json.dumps(text)})"
        )

    def colors(self, selector: str) -> int:
        """Return how many colours a canvas shows."""
        return int(
            self.page.evaluate(
                """s => { const c = document.querySelector(s);
                const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                const seen = new Set();
                for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200)
                  seen.add((d[i] << 16) + (d[i + 1] << 8) + d[i + 2]);
                return seen.size; }""",
                selector,
            )
        )

    def hosts(self) -> set[str]:
        return {urlsplit(one).netloc for one in self.asked if not one.startswith("blob:")}


def test_a_class_from_start_to_a_lost_link(browser: Any, tmp_path: Path) -> None:
    port = free_port()
    visit = Visit(browser, port, color_scheme="dark", reduced_motion="reduce")
    page = visit.page
    with served(port, tmp_path):
        visit.open()
        # Purpose, law and limits stand there before the camera starts; what is not shown yet has
        # its words broken as the file has them.
        page.locator("#before").wait_for()
        text = page.locator("#before").inner_text()
        for words in ("Article 5(1)(f)", "not what a person feels", "Nothing is stored"):
            assert words in text
        assert not page.evaluate("document.querySelector('video').srcObject")
        page.screenshot(path=tmp_path / "before.png", full_page=True)
        visit.start()
        visit.waits_for("#state", "live")
        visit.waits_for("#tile-heads", "10")
        visit.waits_for("#tile-valence", "+0.")
        visit.waits_for("#basis", "Of 10 faces")
        visit.waits_for("#bars", "happy3 to 5 of 10")
        visit.waits_until("document.querySelector('#rate').textContent !== '–'")
        assert page.locator("#delay").inner_text().endswith("ms")
        assert visit.colors("#boxes") >= 1
        assert visit.colors("#shares") > 4
        assert "happy 3 to 5 of 10" in page.locator("#shares").get_attribute("aria-label")
        page.get_by_text("As a table").click()
        visit.waits_for("#table", "3 to 5 of 10")
        for name in ("Light", "Dark"):
            page.get_by_role("button", name=f"Change to {name.lower()}").click()
            for width in (1280, 390):
                page.set_viewport_size({"width": width, "height": 900})
                page.wait_for_timeout(300)
                page.screenshot(path=tmp_path / f"{name}-{width}.png", full_page=True)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, "the page is wider than the window"
        page.get_by_role("button", name="Pause").click()
        visit.waits_for("#state", "paused")
        assert not page.evaluate("document.querySelector('video').srcObject")
        page.get_by_role("button", name="Go on").click()
        visit.waits_for("#state", "live")
    visit.waits_for("#state", "link lost")
    visit.waits_for("#hint", "taken up again")
    page.screenshot(path=tmp_path / "lost.png")
    with served(port, tmp_path):
        visit.waits_for("#state", "live")
        visit.waits_for("#hint", "")
        visit.waits_until("document.querySelector('#rate').textContent !== '–'")
        visit.waits_for("#tile-heads", "10")
        assert visit.hosts() == {f"127.0.0.1:{port}"}
        assert visit.complaints == []
        visit.context.close()


def test_one_person_and_a_token(browser: Any, tmp_path: Path) -> None:
    port = free_port()
    with served(port, tmp_path, view="individual", token="secret word"):
        visit = Visit(browser, port)
        page = visit.page
        visit.open()
        field = page.get_by_label("Token")
        for word in ("wrong", "secret word"):
            field.fill(word)
            page.keyboard.press("Enter")
            if word == "wrong":
                visit.waits_for("#message", "not the token")
        visit.start()
        visit.waits_for("#spoken", "88 %")
        assert page.locator("#timeline").is_hidden()
        visit.waits_for("#basis", "Only the largest face")
        page.screenshot(path=tmp_path / "individual.png")
        assert all("secret" not in one for one in visit.asked)
        visit.context.close()
        # Behind the # of the address it never leaves the browser, nor stays in sight.
        visit = Visit(browser, port)
        visit.open("#token=secret%20word")
        visit.page.get_by_role("button", name="Start the camera").wait_for()
        assert visit.page.url == f"http://127.0.0.1:{port}/"
        assert all("secret" not in one.partition("#")[0] for one in visit.asked)
        visit.context.close()


def test_words_for_what_is_missing(play: Any, tmp_path: Path) -> None:
    port = free_port()
    clip = write_camera_clip(tmp_path / "empty.mjpeg", [room([])] * 10)
    with chromium(play, clip) as started, served(port, tmp_path):
        visit = Visit(started, port)
        visit.open()
        # As a browser says when its user refuses.
        visit.page.evaluate(
            """() => { const own = navigator.mediaDevices.getUserMedia;
            navigator.mediaDevices.getUserMedia = function (...args) {
              navigator.mediaDevices.getUserMedia = own;
              return Promise.reject(new DOMException('', 'NotAllowedError')); } }"""
        )
        visit.start()
        visit.waits_for("#message", "no permission")
        visit.start()
        visit.waits_for("#hint", "No face in sight")
        visit.context.close()
    with chromium(play) as plain, served(port, tmp_path):
        visit = Visit(plain, port, permissions=["camera"])
        visit.open()
        visit.start()
        visit.waits_for("#message", "No camera was found")
        # It can be tried again.
        assert visit.page.get_by_role("button", name="Start the camera").is_enabled()
        assert visit.complaints == []
        visit.context.close()
