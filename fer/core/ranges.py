"""Types with ranges for constructors, by which a configuration is checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt, MinLen

#: Channels or convolutions of each stage.
Widths = Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)]
NonNegativeInt = Annotated[int, Ge(0)]
PositiveInt = Annotated[int, Ge(1)]
NonNegativeFloat = Annotated[float, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
#: From 0 to 1.
Share = Annotated[float, Ge(0), Le(1)]
#: From 0 to below 1, such as a dropout.
ShareBelowOne = Annotated[float, Ge(0), Lt(1)]
#: Above 0 and up to 1.
PositiveShare = Annotated[float, Gt(0), Le(1)]
#: A side of faces, in pixels.
PictureSide = Annotated[int, Ge(16), Le(1024)]
#: Frames of a clip.
FrameCount = Annotated[int, Ge(1), Le(1024)]


def is_odd(value: int) -> bool:
    """Return True if a whole number is odd, as the size of a filter with a centre is."""
    return value % 2 == 1
