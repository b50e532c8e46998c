"""Defaults that ``--help`` names without importing what they belong to."""

from __future__ import annotations

from typing import Final

#: Pixels of a face's shorter side below which its label is uncertain: of FER2013's faces scaled
#: down to so many, a ninth fewer are read rightly, and from there it falls fast
#: (``benchmarks/crop_margin.py``).
MIN_FACE: Final = 24
#: Pixels of a picture's long side on which faces are looked for. At 1280 x 720 a face of 60 pixels
#: has 30 there; both detectors find faces from about half of that.
DETECT_SIZE: Final = 640
#: Faces below which no emotion of a group is told, unless asked otherwise.
MIN_GROUP: Final = 5
#: The least that may be asked for: of two faces each knows the other.
LEAST_GROUP: Final = 3
#: Seconds of a group's window.
WINDOW_SECONDS: Final = 2.0
#: Normalised correlation from which on two faces are near copies.
NEAR_CORRELATION: Final = 0.97
