"""The system's Chromium, and a camera that shows a clip."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fer.pixels import Image
from tests.support.emotion_squares import as_file

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Nothing that the browser does of itself, and no name but this machine's.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def write_camera_clip(path: Path, frames: Sequence[Image]) -> Path:
    """Write frames as the camera that Chromium pretends to have: JPEG after JPEG."""
    path.write_bytes(b"".join(as_file(one, ".jpg") for one in frames))
    return path


@contextmanager
def playing() -> Iterator[Any]:
    """Start what drives browsers; once, since two at a time don't go together."""
    with pytest.importorskip("playwright.sync_api").sync_playwright() as play:
        yield play


@contextmanager
def chromium(play: Any, clip: Path | None = None) -> Iterator[Any]:
    """Start Chromium, whose camera shows a clip; without one, there is no camera.

    Skips the test where there is no Chromium.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(NAMES)}")
    flags = list(FLAGS)
    if clip is not None:
        flags += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        flags += [f"--use-file-for-fake-video-capture={clip}"]
    browser = play.chromium.launch(executable_path=found, args=flags)
    try:
        yield browser
    finally:
        browser.close()
