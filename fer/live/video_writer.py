"""Annotated frames as a film that plays at the pace of what it shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import cv2

from fer.core.errors import UserError
from fer.core.io import atomic_write
from fer.live.sources import open_capture, quiet_opencv
from fer.pictures import shown
from fer.pixels import Image

#: Endings, and the codecs for each: the first that this OpenCV can write is used. Browsers play
#: H.264 and VP9 in MP4, and WebM; the H.264 encoder is not in every OpenCV, the last is.
CODECS: Final = {
    ".avi": ("MJPG",),
    ".mkv": ("avc1", "VP90", "mp4v"),
    ".mov": ("avc1", "mp4v"),
    ".mp4": ("avc1", "vp09", "mp4v"),
    ".webm": ("VP80",),
}
_TITLES: Final = {
    "MJPG": "Motion JPEG", "VP80": "VP8", "VP90": "VP9", "avc1": "H.264",
    "mp4v": "MPEG-4 Part 2, which browsers don't play: name a .webm", "vp09": "VP9",
}  # fmt: skip
#: Seconds for which a film shows the last frame at most when none comes; the rest is left out.
GAP: Final = 10.0
#: Frames that a container may lose without harm.
_TOLERANCE: Final = 2


class VideoWriter:
    """Writes frames at the times at which they were seen, as a film of ``rate`` frames a second.

    Attributes:
        coding: the codec in words; empty before the first frame.
        gaps: how many gaps were too long to be shown.
        left_out: the seconds of them that were left out.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._last: Image | None = None
        self._time = 0.0
        self.count = 0
        self.coding = ""
        self.gaps = 0
        self.left_out = 0.0

    def fill(self, time: float) -> None:
        """Repeat the last frame until the next, at ``time`` seconds since the first, is due.

        May be interrupted at any point: the film stays whole.
        """
        if (gap := time - self._time) > GAP:
            self.gaps += 1
            self.left_out += gap - GAP
            self._time = time - GAP
        if self._writer is not None and self._last is not None:
            while self.count < self._due(time):
                self._writer.write(self._last)
                self.count += 1

    def _due(self, time: float) -> int:
        return round((time - self.left_out) * self._rate)

    def add(self, image: Image, time: float) -> None:
        """Write a frame; repeat the one before or omit this one where the camera's rate varies.

        Args:
            image: uint8 ``[H, W, 3]`` RGB; scaled to the size of the first one.
            time: when it was seen, in seconds since the first.
        """
        if self._writer is None:
            self._size = (image.shape[1], image.shape[0])
            self._writer = self._open()
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size).astype(image.dtype, copy=False)
        self.fill(time)
        self._time = time
        self._last = cv2.cvtColor(image, cv2.COLOR_RGB2BGR).astype(image.dtype, copy=False)
        if self.count <= self._due(time):
            self._writer.write(self._last)
            self.count += 1

    def _open(self) -> cv2.VideoWriter:
        for codec in CODECS[self._path.suffix.lower()]:
            with quiet_opencv(), _quiet_stderr():
                code = cv2.VideoWriter.fourcc(*codec)
                writer = cv2.VideoWriter(str(self._path), code, self._rate, self._size)
            if writer.isOpened():
                self.coding = _TITLES[codec]
                return writer
        width, height = self._size
        raise OSError(f"no film of {width} x {height} pixels can be written as {self._path.suffix}")

    def close(self) -> None:
        """Finish the film."""
        if self._writer is not None:
            self._writer.release()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Silence a line about WebM that OpenCV writes past its log."""
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def check_video_path(path: Path) -> None:
    """Refuse a name that no film can be written to."""
    where = f"--out {shown(path)}"
    if path.suffix.lower() not in CODECS:
        words = f"{where} must end in one of {', '.join(CODECS)}"
        raise UserError(words, code="video_suffix", where=where)
    if path.is_dir():
        raise UserError(f"{where} is a folder; name a file", code="is_folder", where=where)
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        words = f"{where}: OpenCV writes to names in UTF-8 alone"
        raise UserError(words, code="name_not_utf8", where=where) from None


@contextmanager
def open_video_writer(path: Path, rate: float) -> Iterator[VideoWriter]:
    """Yield what writes a film, which is there whole or not at all; ended early, it plays."""
    with atomic_write(path) as partial:
        writer = VideoWriter(partial, rate)
        try:
            yield writer
        finally:
            writer.close()
        if (readable := _readable(partial, writer.count)) < writer.count - _TOLERANCE:
            raise OSError(
                f"{shown(path)} can't be written: of its {writer.count:,} frames {readable:,} can "
                "be read again. The disk may be full"
            )


def _readable(path: Path, count: int) -> int:
    """Return how many of a film's frames can be read: OpenCV reports no failed writes."""
    capture = open_capture(str(path)) if count else None
    if capture is None:
        return 0
    try:
        # The stated count is written last: where it is right, so is what lies before the end.
        if abs(capture.get(cv2.CAP_PROP_FRAME_COUNT) - count) <= _TOLERANCE:
            capture.set(cv2.CAP_PROP_POS_FRAMES, count - 1)
            if capture.grab():
                return count
            capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
        return sum(capture.grab() for _ in range(count))
    finally:
        capture.release()
