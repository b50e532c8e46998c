"""Annotated frames as a film that plays at the pace of what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import cv2

from fer.errors import UserError
from fer.files import written_beside
from fer.live.sources import capture_of
from fer.pictures import shown
from fer.pixels import Image

#: Endings, and the coding that every OpenCV can write for each.
CODECS: Final = {".avi": "MJPG", ".mkv": "mp4v", ".mov": "mp4v", ".mp4": "mp4v"}
#: Frames that a container may lose without harm.
_LOST: Final = 2


class FilmWriter:
    """Writes frames.

    Args:
        path: the file.
        rate: frames a second of the film.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path = path
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        #: Frames written so far.
        self.count = 0

    def add(self, image: Image, time: float) -> None:
        """Write a frame.

        It is repeated, or left out, so that the film keeps the time that it shows: cameras give
        more frames or fewer than they say.

        Args:
            image: uint8 ``[H, W, 3]`` RGB; scaled to the size of the first one.
            time: when it was seen, in seconds since the first.

        Raises:
            OSError: the film can't be written.
        """
        if self._writer is None:
            self._size = (image.shape[1], image.shape[0])
            code = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
            self._writer = cv2.VideoWriter(str(self._path), code, self._rate, self._size)
            if not self._writer.isOpened():
                raise OSError(
                    f"no film of {self._size[0]} x {self._size[1]} pixels can be written as "
                    f"{self._path.suffix}"
                )
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size).astype(image.dtype, copy=False)
        frame = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        while self.count < round(time * self._rate) + 1:
            self._writer.write(frame)
            self.count += 1

    def close(self) -> None:
        """Finish the film."""
        if self._writer is not None:
            self._writer.release()


def check_film_name(path: Path) -> None:
    """Refuse names that no film can be written to.

    Raises:
        UserError: with the reason.
    """
    if path.suffix.lower() not in CODECS:
        raise UserError(f"--out {shown(path)} must end in one of {', '.join(CODECS)}")
    if path.is_dir():
        raise UserError(f"--out {shown(path)} is a folder; name a file")
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise UserError(f"--out {shown(path)}: OpenCV writes to names in UTF-8 alone") from None


@contextmanager
def film_file(path: Path, rate: float) -> Iterator[FilmWriter]:
    """Yield what writes a film, which is there whole or not at all; ended early, it plays.

    Raises:
        OSError: it can't be written.
    """
    with written_beside(path) as beside:
        writer = FilmWriter(beside, rate)
        try:
            yield writer
        finally:
            writer.close()
        if (found := _readable(beside, writer.count)) < writer.count - _LOST:
            raise OSError(
                f"{shown(path)} can't be written: of its {writer.count:,} frames {found:,} can be "
                "read again. The disk may be full"
            )


def _readable(path: Path, count: int) -> int:
    """Return how many frames of a film can be read, which had so many when it was written.

    OpenCV does not say when a write fails, so that a full disk would leave a film of no frames.
    """
    if not count:
        return 0
    capture = capture_of(str(path))
    if capture is None:
        return 0
    try:
        # What the file says is written last: where it is right, so is what lies before the end.
        if abs(capture.get(cv2.CAP_PROP_FRAME_COUNT) - count) <= _LOST:
            capture.set(cv2.CAP_PROP_POS_FRAMES, count - 1)
            if capture.grab():
                return count
            capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
        found = 0
        while found < count and capture.grab():
            found += 1
        return found
    finally:
        capture.release()
