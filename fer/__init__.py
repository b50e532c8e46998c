"""Facial expression recognition that people can configure, trust and use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fer.core.labels import EMOTIONS
from fer.core.telemetry import disable_telemetry

if TYPE_CHECKING:
    from fer.inference import Face, Prediction, Recognizer, load
    from fer.pictures import read_picture

# Before any library is loaded that would send something.
disable_telemetry()

__version__ = "0.1.0"

__all__ = ["EMOTIONS", "Face", "Prediction", "Recognizer", "__version__", "load", "read_picture"]


def __getattr__(name: str) -> Any:
    # Looked up when first used: OpenCV alone takes longer to import than most of what asks for
    # a name of this package.
    if name in __all__:
        # A picture is read without the engine of the models.
        room = "fer.pictures" if name == "read_picture" else "fer.inference"
        return getattr(import_module(room), name)
    raise AttributeError(f"module 'fer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
