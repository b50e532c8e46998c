"""Frames of video, and the little of OpenCV's capture that gives them."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import cv2
import numpy as np

from fer.core.errors import UserError
from fer.pixels import Image

#: Frames a second where a source states no possible rate.
_DEFAULT_RATE: Final = 25.0
#: How long a stream may take to answer, in milliseconds.
_TIMEOUT: Final = 10_000
_FFMPEG_LOG: Final = "OPENCV_FFMPEG_LOGLEVEL"


class SourceError(UserError):
    """A source gives no frames; the message says which and why."""


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
    """Gives frames in the order of time, once.

    Attributes:
        rate: frames a second, as the source states.
        total: about how many frames there are; None where nobody knows.
        is_live: whether frames that nobody takes in time are lost.
        is_lost: whether it ended before its time: damaged, or dropped for good.
    """

    @property
    def rate(self) -> float: ...  # noqa: D102
    @property
    def total(self) -> int | None: ...  # noqa: D102
    @property
    def is_live(self) -> bool: ...  # noqa: D102
    @property
    def is_lost(self) -> bool: ...  # noqa: D102

    def frames(self) -> Generator[Frame, None, None]:
        """Yield the frames; at the end, or when closed, release the source."""
        ...


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used."""

    def read(self) -> tuple[bool, Any]: ...  # noqa: D102
    def get(self, propId: int, /) -> float: ...  # noqa: D102, N803
    def release(self) -> None: ...  # noqa: D102


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


def read_image(capture: Capture) -> Image | None:
    """Return the next picture, uint8 ``[H, W, 3]`` RGB; None where there is none."""
    succeeded, image = capture.read()
    if not succeeded or image is None:
        return None
    if image.ndim == 2:
        return np.dstack([image] * 3)
    rgb: Image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def frame_rate(capture: Capture) -> float:
    """Return the frames a second that a capture states, or 25 where that is impossible."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if 1 <= rate <= 240 else _DEFAULT_RATE


def frame_count(capture: Capture) -> int | None:
    """Return the number of frames that a capture states; None where it states none."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if 0 < count < 1e9 else None


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
