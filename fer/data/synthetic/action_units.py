"""Facial action units, and which of them make which emotion.

The Facial Action Coding System (FACS) describes any face as a set of action units, each one
muscle group's doing, graded A to E. Here a grade is a number from 0 (absent) to 1 (E, maximum).

Sources:
    - Ekman, P. & Friesen, W. V. (1978). *Facial Action Coding System: A Technique for the
      Measurement of Facial Movement.* Consulting Psychologists Press. (Numbers and names.)
    - Friesen, W. V. & Ekman, P. (1983). *EMFACS-7: Emotional Facial Action Coding System.*
      Unpublished manual, University of California at San Francisco. (Units of each emotion.)
    - Ekman, P., Friesen, W. V. & Hager, J. C. (2002). *Facial Action Coding System:
      Investigator's Guide.* A Human Face. (The variants behind :attr:`Prototype.optional`.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

#: The units that are drawn, name by FACS number: those of the seven emotions and their variants.
ACTION_UNITS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "Inner Brow Raiser",
        2: "Outer Brow Raiser",
        4: "Brow Lowerer",  # brows go down and together, furrow between
        5: "Upper Lid Raiser",  # white above the iris
        6: "Cheek Raiser",  # cheeks push the lower lids up, crow's feet
        7: "Lid Tightener",  # both lids close in on the iris
        9: "Nose Wrinkler",  # nose wings and upper lip up, wrinkled root
        12: "Lip Corner Puller",  # lip corners go out and up, fold deepens
        15: "Lip Corner Depressor",
        16: "Lower Lip Depressor",  # lower teeth show
        17: "Chin Raiser",  # chin boss and lower lip pushed up
        20: "Lip Stretcher",  # lip corners pulled straight to the sides
        23: "Lip Tightener",  # lips roll in, thin and narrow
        24: "Lip Pressor",  # lips pressed together, bulge above and below
        25: "Lips Part",  # upper teeth show
        26: "Jaw Drop",  # mouth opens
    }
)


@dataclass(frozen=True, slots=True)
class Prototype:
    """The action units of one emotion, and those which its variants may add."""

    units: frozenset[int]
    optional: frozenset[int] = frozenset()


#: Which units make which of the seven emotions. What two share makes them confusable.
PROTOTYPES: Final[Mapping[str, Prototype]] = MappingProxyType(
    {
        "angry": Prototype(frozenset({4, 5, 7, 23}), optional=frozenset({24})),
        "disgust": Prototype(frozenset({9, 15, 16}), optional=frozenset({17})),
        "fear": Prototype(frozenset({1, 2, 4, 5, 7, 20, 26})),
        "happy": Prototype(frozenset({6, 12}), optional=frozenset({25})),
        "sad": Prototype(frozenset({1, 4, 15}), optional=frozenset({17})),
        "surprise": Prototype(frozenset({1, 2, 5, 26})),
        "neutral": Prototype(frozenset()),
    }
)


def check_units(units: Mapping[int, float]) -> None:
    """Check that every key is a drawn unit's number and every value an intensity in [0, 1].

    Raises:
        ValueError: one is not; the message says which.
    """
    if unknown := sorted(set(units) - set(ACTION_UNITS)):
        drawn = ", ".join(map(str, ACTION_UNITS))
        raise ValueError(f"unknown action units {unknown}; drawn are {drawn}")
    wrong = {number: value for number, value in units.items() if not 0.0 <= value <= 1.0}
    if wrong:
        raise ValueError(f"action unit intensities must lie in [0, 1], got {wrong}")
