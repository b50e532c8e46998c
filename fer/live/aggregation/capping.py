"""Shares of small groups in ranges, so that nobody's label is certain from everybody's.

Of five faces that all show the same, each one's label would be known; and a class that nobody shows
tells of everybody what they do not show. Below :data:`EXACT` faces the number that shows a class is
therefore told as a range of at least two numbers: of five, 0 to 1, 2 to 3, or 4 to 5.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np

from fer.live.aggregation.measures import Values

#: Faces from which on shares are told without ranges.
EXACT: Final = 20

Range = tuple[int, int]


def ranges(shares: Values, faces: int) -> list[Range]:
    """Return how many faces show each class at least and at most.

    Ranges begin at multiples of the smallest step, from two on, that doesn't divide the number of
    faces. Their lower ends then never add up to all faces: some class has more than its least, and
    it may be any. That a class has no face, or all, never follows.

    Args:
        shares: ``[C]``, which sum to one.

    Example:
        >>> ranges(np.array([1.0, 0.0]), 5), ranges(np.array([0.7, 0.3]), 10)
        ([(4, 5), (0, 1)], [(6, 8), (3, 5)])
    """
    step = next(n for n in itertools.count(2) if faces % n)
    lows = [count - count % step for count in round_to_total(shares * faces)]
    return [(low, min(low + step - 1, faces)) for low in lows]


def inside(count_ranges: Sequence[Range], faces: int) -> Values:
    """Return shares ``[C]`` inside ranges, as far up in each as in all others; they sum to one.

    They are made of the ranges, and tell no more than those.

    Example:
        >>> inside([(4, 5), (0, 1)], 5).tolist()
        [0.9, 0.1]
    """
    low, high = np.array(count_ranges, dtype=np.float64).T
    return np.asarray((low + (high - low) * (faces - low.sum()) / (high - low).sum()) / faces)


def round_to_total(parts: Values) -> list[int]:
    """Round ``[C]`` numbers of at least 0, whose sum is whole, and keep it (largest remainders)."""
    rounded = np.floor(parts + 1e-9)
    missing = round(float(parts.sum())) - int(rounded.sum())
    # The first of equals, whatever rounding errors say.
    order = np.argsort(-np.round(parts - rounded, 6), kind="stable")
    rounded[order[:missing]] += 1
    return [int(number) for number in rounded]
