"""Cameras and streams: the newest frame, and reconnection when they drop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Final

from fer.live.frames import Capture, Frame, SourceError, frame_rate, read_image
from fer.pixels import Image

#: Attempts to reopen a dropped source before it is given up, and the longest wait in seconds
#: between two of them, which doubles from one: five minutes in all.
TRIES: Final = 12
LONGEST_WAIT: Final = 30.0


class LiveSource:
    """A camera or a stream, read by a thread of its own that keeps the newest frame alone.

    Whoever takes frames more slowly than they come sees the present, not a growing past. A source
    that drops is reopened, and each attempt is reported.

    Args:
        opener: opens it; None where that fails.
        name: for messages.
        say: called with what happens.
        first: a capture that is open already.
        tries: attempts to reopen it, one after the other without a frame.
        wait: seconds before the first attempt, doubled with each.

    Raises:
        SourceError: it can't be opened to begin with.
    """

    is_live = True
    total: int | None = None

    def __init__(
        self,
        opener: Callable[[], Capture | None],
        name: str,
        *,
        say: Callable[[str], None] = lambda _: None,
        first: Capture | None = None,
        tries: int = TRIES,
        wait: float = 1.0,
    ) -> None:
        self._opener, self._name, self._say = opener, name, say
        self._tries, self._wait = tries, wait
        capture = first or opener()
        if capture is None:
            raise SourceError(
                f"{name} is not there, or in use by another program", code="no_camera", where=name
            )
        self._capture: Capture | None = capture
        self.rate = frame_rate(capture)
        self._arrived = threading.Condition()
        self._newest: Image | None = None
        self._ended = threading.Event()
        #: Whether it dropped for good.
        self.is_lost = False

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the newest frame whenever one is asked for, until the source is given up."""
        reader = threading.Thread(target=self._read, name="fer frames", daemon=True)
        start = time.monotonic()
        reader.start()
        number = 0
        try:
            while (image := self._take()) is not None:
                yield Frame(image, time.monotonic() - start, number)
                number += 1
        finally:
            self._ended.set()
            reader.join(timeout=15)
        if number == 0:
            raise SourceError(f"{self._name} sends no picture", code="no_frames", where=self._name)

    def _take(self) -> Image | None:
        """Wait for the newest frame and return it; None when no more will come."""
        with self._arrived:
            while self._newest is None and not self._ended.is_set():
                # With a limit, so that Ctrl-C gets through on every system.
                self._arrived.wait(0.2)
            image, self._newest = self._newest, None
            return image

    def _read(self) -> None:
        try:
            while not self._ended.is_set():
                if not self._read_one() and not self._reopened():
                    break
        finally:
            if self._capture is not None:
                self._capture.release()
            self._ended.set()

    def _read_one(self) -> bool:
        image = None if self._capture is None else read_image(self._capture)
        if image is None:
            return False
        with self._arrived:
            self._newest = image
            self._arrived.notify()
        return True

    def _reopened(self) -> bool:
        """Reopen the source, and return True once it gave a frame."""
        for number in range(1, self._tries + 1):
            if self._capture is not None:
                self._capture.release()
                self._capture = None
            pause = min(self._wait * 2 ** (number - 1), LONGEST_WAIT)
            self._say(
                f"{self._name} dropped; reopening it in {pause:.0f} s ({number} of {self._tries})"
            )
            if self._ended.wait(pause):
                return False
            self._capture = self._opener()
            if self._read_one():
                self._say(f"{self._name} is back")
                return True
        self.is_lost = True
        self._say(f"{self._name} did not come back")
        return False
