"""What is told of a frame and of a session: the one place where it is decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fer.inference import UNCERTAIN
from fer.live.aggregation import WITHHELD, Measures, Shift, Window
from fer.live.pipeline import TrackedFace
from fer.live.server.settings import (
    BURST,
    CONNECTIONS,
    MESSAGE,
    PIXELS,
    RATE,
    Settings,
)
from fer.live.tracking import Box
from fer.pixels import Image


def welcome(settings: Settings, measures: Measures) -> dict[str, Any]:
    """Return what a page has to know before it begins."""
    index = measures.index
    return {
        "type": "welcome",
        "view": settings.view,
        "source": "server" if settings.has_source else "browser",
        "name": settings.source_name,
        "classes": list(measures.classes),
        "min_group": settings.min_group,
        "seconds": settings.seconds,
        "valence": measures.has_valence,
        "index": None
        if index is None
        else {
            "name": index.name,
            "title": index.title,
            "formula": index.formula,
            "source": index.source,
            "evidence": index.evidence,
        },
        "withheld": {
            key: words.format(least=settings.min_group) for key, words in WITHHELD.items()
        },
        "limits": {
            "connections": CONNECTIONS,
            "message_bytes": MESSAGE,
            "pixels": PIXELS,
            "messages_per_second": RATE,
            "messages_at_once": BURST,
        },
    }


def group_faces(image: Image, boxes: Sequence[Box]) -> dict[str, Any]:
    """Return where the faces of a frame are, from left to right: no names, no emotions."""
    return {
        "type": "faces",
        "size": [image.shape[1], image.shape[0]],
        "boxes": sorted(list(one) for one in boxes),
    }


def own_face(
    image: Image, boxes: Sequence[Box], own: TrackedFace | None, classes: Sequence[str]
) -> dict[str, Any]:
    """Return what the face that was read shows, for the person at their own camera.

    Of others that come into the picture only the place is told.
    """
    told = group_faces(image, boxes)
    if own is not None:
        face = own.face
        told["own"] = {
            "box": list(face.box),
            "label": face.label,
            "uncertain": face.label == UNCERTAIN,
            "probabilities": {
                name: round(float(p), 3)
                for name, p in zip(classes, face.probabilities, strict=True)
            },
        }
    return told


def window_told(window: Window, threshold: float | None) -> dict[str, Any]:
    """Return what is told of a window, and how far valence would have to move for a notice."""
    return {"type": "window", **window.as_dict(), "threshold": threshold}


def shift_told(shift: Shift) -> dict[str, Any]:
    """Return the notice of a shift."""
    return {
        "type": "shift",
        "time": shift.time,
        "before": shift.before,
        "after": shift.after,
        "threshold": shift.threshold,
    }
