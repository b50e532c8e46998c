"""Defaults that ``--help`` shows, apart from the heavy modules that use them."""

from __future__ import annotations

from typing import Final

#: Pixels of a face's shorter side below which its label is uncertain: at 24, a ninth fewer of
#: FER2013's faces are classified correctly, and below that it falls fast
#: (``benchmarks/crop_margin.py``).
MIN_FACE: Final = 24
#: Pixels of a picture's long side on which faces are looked for. At 1280 x 720 a face of 60 pixels
#: has 30 there; both detectors find faces from about half of that.
DETECT_SIZE: Final = 640
#: The default for the fewest faces of which a group's emotion is reported.
MIN_GROUP: Final = 5
#: The smallest choice of that: in a group of two, each knows the other.
LEAST_GROUP: Final = 3
#: Seconds of a group's window.
WINDOW_SECONDS: Final = 2.0
#: Normalised correlation from which on two faces are near copies.
NEAR_CORRELATION: Final = 0.97
