"""Where frames come from: a film, a camera, a stream. A source is read once, frame by frame."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit, urlunsplit

import cv2
import numpy as np

from fer.errors import UserError
from fer.pictures import shown
from fer.pixels import Image

#: Frames a second where a source does not say, or says what can't be.
_USUAL_RATE: Final = 25.0
#: How long a stream may take to answer, in milliseconds.
_PATIENCE: Final = 10_000
#: Frames that may be missing at the end of a film that is whole, and the share that must be there.
_MISSING: Final = 2
_WHOLE: Final = 0.95
_FFMPEG_LOG: Final = "OPENCV_FFMPEG_LOGLEVEL"

Say = Callable[[str], None]


class SourceError(UserError):
    """Frames can't be had; the message says of what and why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of many.

    Attributes:
        image: uint8 ``[H, W, 3]`` RGB, upright.
        time: in seconds since the source began.
        number: how many came before; of a live source that were taken.
    """

    image: Image
    time: float
    number: int


class Source(Protocol):
    """Gives frames, in the order of time."""

    @property
    def rate(self) -> float:
        """Frames a second, as the source says."""
        ...

    @property
    def total(self) -> int | None:
        """About how many frames there are; None where nobody knows."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether frames come on by themselves, so that those nobody takes are lost."""
        ...

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the frames; at the end, or when closed, free what was opened for them."""
        ...


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used."""

    def read(self) -> tuple[bool, Any]: ...  # noqa: D102
    def get(self, propId: int, /) -> float: ...  # noqa: D102, N803
    def release(self) -> None: ...  # noqa: D102


def open_source(name: str, *, say: Say = lambda _: None) -> Source:
    """Return the source that a user named.

    Args:
        name: a film's file; a camera's number: ``0``; or a stream's address: ``rtsp://…``.
        say: told what happens to a live source: that it dropped, that it is back.

    Raises:
        SourceError: there is no such film, camera or stream, or it can't be read.
    """
    from fer.live.streams import LiveSource

    if name.isdecimal() and not Path(name).exists():
        number = int(name)
        return LiveSource(lambda: capture_of(number), f"camera {number}", say=say)
    if "://" in name:
        address = without_password(name)
        first = capture_of(name)
        if first is None:
            raise SourceError(f"{address} does not answer, or sends no video that can be read")
        if _total(first) is not None:
            return Film(first, address, say=say)
        return LiveSource(lambda: capture_of(name), address, say=say, first=first)
    path = Path(name)
    if path.is_dir():
        raise SourceError(
            f"{shown(path)} is a folder; name a film, or use fer predict for pictures"
        )
    if not path.exists():
        raise SourceError(f"there is no film {shown(path)}")
    if path.stat().st_size == 0:
        raise SourceError(f"{shown(path)} is empty")
    stack = ExitStack()
    opened = capture_of(_utf8_name(path, stack))
    if opened is None:
        stack.close()
        raise SourceError(
            f"{shown(path)} is no film that can be read: it is of another kind, damaged or cut off"
        )
    return Film(opened, shown(path), stack, say=say)


class Film:
    """A film with an end. Every frame is given, however long one takes to look at it.

    Args:
        capture: what reads it.
        name: for messages.
        stack: what is to be closed with it.
        say: told how far a damaged film could be read.
    """

    is_live = False

    def __init__(
        self,
        capture: Capture,
        name: str,
        stack: ExitStack | None = None,
        *,
        say: Say = lambda _: None,
    ) -> None:
        self._capture = capture
        self._name = name
        self._say = say
        self._stack = stack or ExitStack()
        self._stack.callback(capture.release)
        self.rate = rate_of(capture)
        self.total = _total(capture)
        rate = capture.get(cv2.CAP_PROP_FPS)
        #: In seconds, as the file says; None where it says no rate.
        self._length = self.total / rate if self.total is not None and rate > 0 else None
        #: Set when a good part of the film could not be read.
        self.is_lost = False

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the frames; at the end, say if many are missing, and set :attr:`is_lost`.

        Raises:
            SourceError: there is not a single one.
        """
        first = last = 0.0
        number = 0
        with self._stack:
            while (image := read(self._capture)) is not None:
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
                "save them as GIF or MP4)"
            )
        if self._is_short(number, last):
            self.is_lost = True
            self._say(
                f"{self._name} can't be read whole: {number:,} of about {self.total:,} frames, the "
                f"last at {last:.1f} s. It may be damaged or cut off; what was seen is kept"
            )

    def _is_short(self, number: int, last: float) -> bool:
        """Say whether so many frames up to a time are clearly less than the film.

        Containers are off by some frames, and where the rate varies by many: then the time tells,
        so that frames missing in the middle of such a film go unnoticed.
        """
        if self.total is None or self.total - number <= _MISSING or number >= _WHOLE * self.total:
            return False
        return self._length is None or last + 1 / self.rate < _WHOLE * self._length


def read(capture: Capture) -> Image | None:
    """Return the next frame, uint8 ``[H, W, 3]`` RGB, or None where there is none."""
    there, image = capture.read()
    if not there or image is None:
        return None
    if image.ndim == 2:
        return np.dstack([image] * 3)
    colored: Image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return colored


def rate_of(capture: Capture) -> float:
    """Return the frames a second that a capture says, or the usual where that can't be."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if 1 <= rate <= 240 else _USUAL_RATE


def without_password(address: str) -> str:
    """Return a stream's address as it may be shown.

    Example:
        >>> without_password("rtsp://me:secret@camera.local:554/1")
        'rtsp://***@camera.local:554/1'
    """
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))


def _total(capture: Capture) -> int | None:
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if 0 < count < 1e9 else None


def capture_of(what: int | str) -> cv2.VideoCapture | None:
    """Return what reads a camera, a file or a stream; None where there is none."""
    try:
        with quiet_opencv():
            if isinstance(what, str) and "://" in what:
                limits: Sequence[int] = (
                    cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _PATIENCE,
                    cv2.CAP_PROP_READ_TIMEOUT_MSEC, _PATIENCE,
                )  # fmt: skip
                capture = cv2.VideoCapture(what, cv2.CAP_FFMPEG, limits)
            else:
                capture = cv2.VideoCapture(what)
    except cv2.error:
        return None
    return capture if capture.isOpened() else None


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Let OpenCV not write down what can't be opened: this package tells it, once."""
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


def _utf8_name(path: Path, stack: ExitStack) -> str:
    """Return a name for a file that OpenCV takes: others than UTF-8 would crash it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return f"/proc/self/fd/{stack.enter_context(path.open('rb')).fileno()}"
    return str(path)
