"""What pages are sent about a frame and a session: the one place where it is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fer.inference import UNCERTAIN
from fer.live.aggregation import WITHHELD, Measures, Shift, Window
from fer.live.pipeline import TrackedFace
from fer.live.server import settings as limits
from fer.live.server.settings import Settings
from fer.live.tracking import Box
from fer.pixels import Image

Message = dict[str, Any]


def welcome(settings: Settings, measures: Measures) -> Message:
    """Return what a page has to know before it begins."""
    index = measures.index
    fields = ("name", "title", "formula", "source", "evidence")
    return {
        "type": "welcome",
        "view": settings.view,
        "source": "server" if settings.has_source else "browser",
        "name": settings.source_name,
        "classes": list(measures.classes),
        "min_group": settings.min_group,
        "seconds": settings.seconds,
        "valence": measures.has_valence,
        "index": None if index is None else {name: getattr(index, name) for name in fields},
        "withheld": {
            key: words.format(least=settings.min_group) for key, words in WITHHELD.items()
        },
        "limits": {
            "connections": limits.MAX_PAGES,
            "message_bytes": limits.MAX_MESSAGE,
            "pixels": limits.MAX_PIXELS,
            "messages_per_second": limits.MESSAGE_RATE,
            "messages_at_once": limits.MESSAGE_BURST,
        },
    }


def group_faces(image: Image, boxes: Sequence[Box]) -> Message:
    """Return where the faces of a frame are, from left to right: no names, no emotions."""
    height, width = image.shape[:2]
    return {"type": "faces", "size": [width, height], "boxes": sorted(list(one) for one in boxes)}


def own_face(
    image: Image, boxes: Sequence[Box], own: TrackedFace | None, classes: Sequence[str]
) -> Message:
    """Return what the face of the person at the camera shows; of other faces only the place."""
    message = group_faces(image, boxes)
    if own is not None:
        face = own.face
        rounded = [round(float(p), 3) for p in face.probabilities]
        message["own"] = {
            "box": list(face.box),
            "label": face.label,
            "uncertain": face.label == UNCERTAIN,
            "probabilities": dict(zip(classes, rounded, strict=True)),
        }
    return message


def window_message(window: Window, threshold: float | None) -> Message:
    """Return what is sent about a window, and how far valence would have to move for a notice."""
    return {"type": "window", **window.as_dict(), "threshold": threshold}


def shift_message(shift: Shift) -> Message:
    """Return the notice of a shift."""
    return {"type": "shift", **asdict(shift)}
