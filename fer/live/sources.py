"""Where frames come from: video files, cameras and streams, each read once, frame by frame."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit, urlunsplit

import cv2
import numpy as np

from fer.core.errors import UserError
from fer.pictures import shown
from fer.pixels import Image

#: Frames a second where a source states no possible rate.
_DEFAULT_RATE: Final = 25.0
#: How long a stream may take to answer, in milliseconds.
_TIMEOUT: Final = 10_000
#: Frames that may be missing at the end of a whole file, and the share that must be there.
_TOLERANCE: Final = 2
_WHOLE: Final = 0.95
#: Attempts to reopen a dropped source before it is given up, and the longest wait in seconds
#: between two of them, which doubles from one: five minutes in all.
TRIES: Final = 12
LONGEST_WAIT: Final = 30.0
_FFMPEG_LOG: Final = "OPENCV_FFMPEG_LOGLEVEL"

Say = Callable[[str], None]


class SourceError(UserError):
    """A source gives no frames; the message says which and why."""

    def __init__(self, message: str, code: str, where: str) -> None:
        super().__init__(message, code=code, where=where)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a video.

    Attributes:
        image: uint8 ``[H, W, 3]`` RGB, upright.
        time: in seconds since the source began.
        number: how many frames were taken before.
    """

    image: Image
    time: float
    number: int


class Source(Protocol):
    """Gives frames in the order of time, once."""

    rate: float  #: Frames a second, as the source states.
    total: int | None  #: About how many frames there are; None where nobody knows.
    is_live: bool  #: Whether frames that nobody takes in time are lost.
    is_lost: bool  #: Whether it ended before its time: damaged, or dropped for good.

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the frames; at the end, or when closed, release the source.

        Raises:
            SourceError: there is not a single one.
        """
        ...


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used."""

    def read(self) -> tuple[bool, Any]: ...  # noqa: D102
    def get(self, propId: int, /) -> float: ...  # noqa: D102, N803
    def release(self) -> None: ...  # noqa: D102


def open_source(name: str, *, say: Say = lambda _: None) -> Source:
    """Return the source that a user named.

    Args:
        name: a video file; a camera's number: ``0``; or a stream's address: ``rtsp://…``.
        say: called with what happens to the source: it dropped, is back, or is damaged.

    Raises:
        SourceError: there is no such file, camera or stream, or it can't be read.
    """
    if name.isdecimal() and not Path(name).exists():
        number = int(name)
        return LiveSource(lambda: open_capture(number), f"camera {number}", say=say)
    if "://" not in name:
        return _open_file(Path(name), say)
    address = without_password(name)
    first = open_capture(name)
    if first is None:
        words = f"{address} does not answer, or sends no video that can be read"
        raise SourceError(words, "no_stream", address)
    if _frame_count(first) is not None:
        return VideoFile(first, address, say=say)
    return LiveSource(lambda: open_capture(name), address, say=say, first=first)


def _open_file(path: Path, say: Say) -> VideoFile:
    name = shown(path)
    if path.is_dir():
        words = f"{name} is a folder; name a film, or use fer predict for pictures"
        raise SourceError(words, "is_folder", name)
    if not path.exists():
        raise SourceError(f"there is no film {name}", "no_file", name)
    if path.stat().st_size == 0:
        raise SourceError(f"{name} is empty", "empty_file", name)
    with ExitStack() as stack:
        file = str(path)
        if name != file:  # OpenCV would crash on a name that is not UTF-8.
            file = f"/proc/self/fd/{stack.enter_context(path.open('rb')).fileno()}"
        capture = open_capture(file)
        if capture is None:
            words = f"{name} is no film that can be read: it is of another kind, damaged or cut off"
            raise SourceError(words, "unreadable_video", name)
        return VideoFile(capture, name, stack.pop_all(), say=say)


def source_title(name: str) -> str:
    """Return what a page calls a source: no path, and no password."""
    return without_password(name) if "://" in name else shown(Path(name).name)


def without_password(address: str) -> str:
    """Return a stream's address without user and password.

    Example:
        >>> without_password("rtsp://me:secret@camera.local:554/1")
        'rtsp://***@camera.local:554/1'
    """
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))


class VideoFile:
    """A video with an end: every frame is read, and ``say`` called if many are missing."""

    is_live = False

    def __init__(
        self,
        capture: Capture,
        name: str,
        stack: ExitStack | None = None,
        *,
        say: Say = lambda _: None,
    ) -> None:
        self._capture, self._name, self._say = capture, name, say
        self._stack = stack or ExitStack()
        self._stack.callback(capture.release)
        self.rate = _frame_rate(capture)
        self.total = _frame_count(capture)
        self.is_lost = False

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the frames; at the end, report if many are missing, and set ``is_lost``."""
        first = last = 0.0
        number = 0
        with self._stack:
            stated_rate = self._capture.get(cv2.CAP_PROP_FPS)
            while (image := _read_image(self._capture)) is not None:
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
                "no_frames",
                self._name,
            )
        self.is_lost = self._is_short(number, last, stated_rate)
        if self.is_lost:
            self._say(
                f"{self._name} can't be read whole: {number:,} of about {self.total:,} frames, the "
                f"last at {last:.1f} s. It may be damaged or cut off; what was seen is kept"
            )

    def _is_short(self, number: int, last: float, stated_rate: float) -> bool:
        """Return True if so many frames, up to a time, are clearly less than the whole file."""
        # Counts are off by many where the rate varies: then the time of the last frame decides.
        if self.total is None or self.total - number <= _TOLERANCE or number >= _WHOLE * self.total:
            return False
        return stated_rate <= 0 or last + 1 / self.rate < _WHOLE * self.total / stated_rate


class LiveSource:
    """A camera or a stream, read by a thread of its own that keeps the newest frame alone.

    Whoever takes frames more slowly than they come sees the present, not a growing past. A source
    that drops is reopened, and each attempt is reported.

    Args:
        tries: attempts to reopen it in a row.
        wait: seconds before the first of them, doubled with each.

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
        self._opener, self._name, self._say = opener, name, say
        self._tries, self._wait = tries, wait
        self._capture = first or opener()
        if self._capture is None:
            words = f"{name} is not there, or in use by another program"
            raise SourceError(words, "no_camera", name)
        self.rate = _frame_rate(self._capture)
        self._arrived = threading.Condition()
        self._newest: Image | None = None
        self._ended = threading.Event()
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
            raise SourceError(f"{self._name} sends no picture", "no_frames", self._name)

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
            while not self._ended.is_set() and (self._read_one() or self._reopen()):
                pass
        finally:
            if self._capture is not None:
                self._capture.release()
            self._ended.set()

    def _read_one(self) -> bool:
        image = None if self._capture is None else _read_image(self._capture)
        if image is None:
            return False
        with self._arrived:
            self._newest = image
            self._arrived.notify()
        return True

    def _reopen(self) -> bool:
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


def open_capture(name: int | str) -> cv2.VideoCapture | None:
    """Return a capture of a camera, a file or a stream; None where it can't be opened."""
    try:
        with quiet_opencv():
            if isinstance(name, str) and "://" in name:
                timeouts = (
                    cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT,
                    cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT,
                )  # fmt: skip
                capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, timeouts)
            else:
                capture = cv2.VideoCapture(name)
    except cv2.error:
        return None
    return capture if capture.isOpened() else None


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence what OpenCV and FFmpeg log about files and devices that can't be opened."""
    log = cv2.utils.logging
    level = log.setLogLevel(log.LOG_LEVEL_SILENT)
    is_set = _FFMPEG_LOG in os.environ
    os.environ.setdefault(_FFMPEG_LOG, "-8")
    try:
        yield
    finally:
        log.setLogLevel(level)
        if not is_set:
            del os.environ[_FFMPEG_LOG]


def _read_image(capture: Capture) -> Image | None:
    succeeded, image = capture.read()
    if not succeeded or image is None:
        return None
    if image.ndim == 2:
        return np.dstack([image] * 3)
    rgb: Image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def _frame_rate(capture: Capture) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if 1 <= rate <= 240 else _DEFAULT_RATE


def _frame_count(capture: Capture) -> int | None:
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if 0 < count < 1e9 else None
