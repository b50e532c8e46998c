"""Films that tests make."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer.pixels import Image


def write_film(path: Path | str, frames: Iterable[Image], rate: float = 25) -> Path:
    """Write frames, uint8 ``[H, W, 3]`` RGB, as motion JPEG (``.avi``) or MPEG-4."""
    path = Path(path)
    code = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = None
    for frame in frames:
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            writer = cv2.VideoWriter(str(path), code, rate, size)
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    assert writer is not None
    writer.release()
    return path


def frames_of(path: Path | str) -> list[Image]:
    """Return the frames of a film, uint8 ``[H, W, 3]`` RGB."""
    capture = cv2.VideoCapture(str(path))
    found = []
    while True:
        there, frame = capture.read()
        if not there:
            return found
        found.append(frame[..., ::-1])


class FakeCapture:
    """What reads a camera: gives some frames, then fails.

    Args:
        frames: what it gives.
        rate: what it says of itself.
        total: how many frames it says it has.
        pause: milliseconds from one frame to the next; None: it has no times.
    """

    def __init__(
        self,
        frames: Iterable[Image],
        rate: float = 25,
        *,
        total: int = 0,
        pause: float | None = None,
    ) -> None:
        self._frames = iter(frames)
        self._rate = rate
        self._total = total
        self._pause = pause
        self._count = 0
        self.is_released = False

    def read(self) -> tuple[bool, Any]:
        frame = next(self._frames, None)
        self._count += 1
        return frame is not None, None if frame is None else frame[..., ::-1]

    def get(self, propId: int, /) -> float:  # noqa: N803
        said = {
            cv2.CAP_PROP_FPS: self._rate,
            cv2.CAP_PROP_FRAME_COUNT: self._total,
            cv2.CAP_PROP_POS_MSEC: (self._count - 1) * (self._pause or 0),
        }
        return said.get(propId, 0.0)

    def release(self) -> None:
        self.is_released = True
