"""From the faces of a group to what may be told about it: pure numbers, used by page and files."""

from fer.live.aggregation.changepoints import (
    Shift,
    ShiftDetector,
    TurningPoint,
    turning_points,
)
from fer.live.aggregation.cohort import Cohort, Group
from fer.live.aggregation.measures import INDICES, VALENCE, Index, Measures
from fer.live.aggregation.windows import WITHHELD, Aggregator, Window

__all__ = [
    "INDICES",
    "VALENCE",
    "WITHHELD",
    "Aggregator",
    "Cohort",
    "Group",
    "Index",
    "Measures",
    "Shift",
    "ShiftDetector",
    "TurningPoint",
    "Window",
    "turning_points",
]
