"""Boxes and labels drawn into pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from fer.core.io import atomic_write
from fer.inference.prediction import UNCERTAIN, Face
from fer.pixels import Image

#: Red, green, blue; they differ in brightness too.
_KNOWN: Final = (255, 209, 102)
_UNSURE: Final = (200, 200, 200)
_INK: Final = (20, 20, 20)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


def caption(face: Face) -> str:
    """Return a face's label in words: ``happy 87 %``; an uncertain one without a number.

    Example:
        >>> caption(Face((0, 0, 9, 9), 0.9, "happy", np.array([0.13, 0.87], dtype=np.float32)))
        'happy 87 %'
    """
    if face.label == UNCERTAIN:
        return face.label
    return f"{face.label} {100 * float(face.probabilities.max()):.0f} %"


def annotated(image: Image, faces: Sequence[Face], captions: Sequence[str] = ()) -> Image:
    """Return a copy of a picture, uint8 ``[H, W, 3]`` RGB, with boxes and captions.

    Without ``captions``, those of :func:`caption` are written.
    """
    drawn = np.array(image)
    unit = max(1.0, max(image.shape[:2]) / 800)
    for face, text in zip(faces, captions or [caption(face) for face in faces], strict=True):
        color = _UNSURE if face.label == UNCERTAIN else _KNOWN
        x, y, w, h = face.box
        cv2.rectangle(drawn, (x, y), (x + w - 1, y + h - 1), color, round(2 * unit))
        _write(drawn, text, (x, y), color, unit)
    return drawn


def _write(drawn: Image, text: str, corner: tuple[int, int], color: Sequence[int],
           unit: float) -> None:  # fmt: skip
    """Write text on a filled box above a corner, or below it at the picture's edge."""
    scale, thick = 0.5 * unit, max(1, round(unit))
    (width, height), base = cv2.getTextSize(text, _FONT, scale, thick)
    pad = round(3 * unit)
    left = max(0, min(corner[0], drawn.shape[1] - width - 2 * pad))
    bottom = max(corner[1], height + base + 2 * pad)
    ground = (left + width + 2 * pad, bottom - height - base - 2 * pad)
    cv2.rectangle(drawn, (left, bottom), ground, color, cv2.FILLED)
    origin = (left + pad, bottom - base - pad)
    cv2.putText(drawn, text, origin, _FONT, scale, _INK, thick, cv2.LINE_AA)


def write_picture(path: Path, image: Image) -> None:
    """Write a picture, uint8 ``[H, W, 3]`` RGB, without metadata, in the format of the suffix."""
    from PIL import Image as Pillow

    kind = Pillow.registered_extensions()[path.suffix.lower()]
    buffer = io.BytesIO()
    try:
        Pillow.fromarray(image).save(buffer, kind, quality=92)
    except (OSError, ValueError) as error:
        # A JPEG's sides have at most 65,500 pixels, a WebP's 16,383.
        raise OSError(f"{path} can't be written as {kind} ({error})") from error
    with atomic_write(path) as beside:
        beside.write_bytes(buffer.getvalue())
