"""Cameras and streams: the newest frame, and what to do when they drop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Final

from fer.live.sources import Capture, Frame, Say, SourceError, rate_of, read
from fer.pixels import Image

#: How often a dropped source is taken up again before it is given up, and the longest wait in
#: seconds between two tries, which doubles from one: five minutes in all.
TRIES: Final = 12
LONGEST_WAIT: Final = 30.0


class LiveSource:
    """A camera or a stream, read by a thread of its own that keeps the newest frame alone.

    Whoever takes frames more slowly than they come sees the present, not a growing past. When the
    source drops it is opened again, and every try is told.

    Args:
        opener: opens it; None where that fails.
        name: for messages.
        say: told what happens.
        first: what is open already.
        tries: how often it is taken up again, one after the other without a frame.
        wait: seconds before the first new try, doubled with each.

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
        say: Say = lambda _: None,
        first: Capture | None = None,
        tries: int = TRIES,
        wait: float = 1.0,
    ) -> None:
        self._opener = opener
        self._name = name
        self._say = say
        self._tries = tries
        self._wait = wait
        capture = first or opener()
        if capture is None:
            raise SourceError(f"{name} is not there, or in use by another program")
        self._capture: Capture | None = capture
        self.rate = rate_of(capture)
        self._news = threading.Condition()
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
            raise SourceError(f"{self._name} sends no picture")

    def _take(self) -> Image | None:
        """Wait for the newest frame and return it; None when no more will come."""
        with self._news:
            while self._newest is None and not self._ended.is_set():
                # With a limit, so that Ctrl-C gets through on every system.
                self._news.wait(0.2)
            image, self._newest = self._newest, None
            return image

    def _read(self) -> None:
        try:
            while not self._ended.is_set():
                image = None if self._capture is None else read(self._capture)
                if image is not None:
                    with self._news:
                        self._newest = image
                        self._news.notify()
                elif not self._taken_up_again():
                    break
        finally:
            if self._capture is not None:
                self._capture.release()
            self._ended.set()

    def _taken_up_again(self) -> bool:
        """Open the source anew, and say whether that gave a frame."""
        for number in range(1, self._tries + 1):
            if self._capture is not None:
                self._capture.release()
                self._capture = None
            pause = min(self._wait * 2 ** (number - 1), LONGEST_WAIT)
            self._say(
                f"{self._name} dropped; taking it up again in {pause:.0f} s "
                f"({number} of {self._tries})"
            )
            if self._ended.wait(pause):
                return False
            self._capture = self._opener()
            image = None if self._capture is None else read(self._capture)
            if image is not None:
                self._say(f"{self._name} is back")
                with self._news:
                    self._newest = image
                    self._news.notify()
                return True
        self.is_lost = True
        self._say(f"{self._name} did not come back")
        return False
