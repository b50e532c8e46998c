"""Facial expression recognition that people can configure, trust and use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer.labels import EMOTIONS

if TYPE_CHECKING:
    from fer.inference import Face, Prediction, Recognizer, load
    from fer.pictures import read_picture

__version__ = "0.1.0"

__all__ = ["EMOTIONS", "Face", "Prediction", "Recognizer", "__version__", "load", "read_picture"]


def __getattr__(name: str) -> Any:
    # Looked up when first used: OpenCV alone takes longer to import than most of what asks for
    # a name of this package.
    if name in __all__:
        from fer import inference, pictures

        return getattr(pictures if name == "read_picture" else inference, name)
    raise AttributeError(f"module 'fer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
