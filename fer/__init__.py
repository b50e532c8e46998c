"""Facial expression recognition that people can configure, trust and use."""

from fer.labels import EMOTIONS

__version__ = "0.1.0"

__all__ = ["EMOTIONS", "__version__"]
