"""Moved to :mod:`fer.core.labels`."""

from fer.core.labels import ALIASES, EMOTIONS, FER2013, FERPLUS, canonical, is_basic_seven

__all__ = ["ALIASES", "EMOTIONS", "FER2013", "FERPLUS", "canonical", "is_basic_seven"]
