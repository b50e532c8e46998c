"""Moved to :mod:`fer.core.clips`."""

from fer.core.clips import Frames, Lengths, pad_clips, subsample

stacked = pad_clips
thinned = subsample

__all__ = ["Frames", "Lengths", "stacked", "thinned"]
