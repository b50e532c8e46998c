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
    """

    def __init__(self, frames: Iterable[Image], rate: float = 25) -> None:
        self._frames = iter(frames)
        self._rate = rate
        self.is_released = False

    def read(self) -> tuple[bool, Any]:
        frame = next(self._frames, None)
        return frame is not None, None if frame is None else frame[..., ::-1]

    def get(self, propId: int, /) -> float:  # noqa: N803
        return self._rate if propId == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self.is_released = True
