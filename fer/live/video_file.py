"""Video files: every frame, at its time."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Final

import cv2

from fer.live.frames import Capture, Frame, SourceError, frame_count, frame_rate, read_image

#: Frames that may be missing at the end of a whole file, and the share that must be there.
_TOLERANCE: Final = 2
_WHOLE: Final = 0.95


class VideoFile:
    """A video with an end. Every frame is given, however long one takes to look at it.

    Args:
        capture: of the file.
        name: for messages.
        stack: closed with the file.
        say: called with how far a damaged file could be read.
    """

    is_live = False

    def __init__(
        self,
        capture: Capture,
        name: str,
        stack: ExitStack | None = None,
        *,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._capture, self._name, self._say = capture, name, say
        self._stack = stack or ExitStack()
        self._stack.callback(capture.release)
        self.rate = frame_rate(capture)
        self.total = frame_count(capture)
        #: Set when a good part of the file could not be read.
        self.is_lost = False

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the frames; at the end, report if many are missing, and set ``is_lost``.

        Raises:
            SourceError: there is not a single one.
        """
        first = last = 0.0
        number = 0
        with self._stack:
            stated_rate = self._capture.get(cv2.CAP_PROP_FPS)
            while (image := read_image(self._capture)) is not None:
                time = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if number == 0:
                    first = time
                # Some files have no times, or go back in them.
                elif not last < time - first < math.inf:
                    time = first + last + 1 / self.rate
                last = time - first
                yield Frame(image, last, number)
                number += 1
        if number == 0:
            raise SourceError(
                f"{self._name} has no frame that can be read (animated WebP and AVIF are not read: "
                "save them as GIF or MP4)",
                code="no_frames",
                where=self._name,
            )
        if self._is_short(number, last, stated_rate):
            self.is_lost = True
            self._say(
                f"{self._name} can't be read whole: {number:,} of about {self.total:,} frames, the "
                f"last at {last:.1f} s. It may be damaged or cut off; what was seen is kept"
            )

    def _is_short(self, number: int, last: float, stated_rate: float) -> bool:
        """Return True if so many frames, up to a time, are clearly less than the whole file.

        Containers are off by some frames, and by many where the rate varies: then the time decides,
        so that frames missing in the middle of such a file go unnoticed.
        """
        if self.total is None or self.total - number <= _TOLERANCE or number >= _WHOLE * self.total:
            return False
        return stated_rate <= 0 or last + 1 / self.rate < _WHOLE * self.total / stated_rate
