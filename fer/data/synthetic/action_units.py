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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class ActionUnit:
    """One row of the FACS table.

    Attributes:
        number: the unit's FACS number.
        name: its FACS name.
        moves: what is seen to move.
        region: the part of the face it shows in first: ``"brows"``, ``"eyes"``, ``"nose"``,
            ``"mouth"`` or ``"chin"``.
    """

    number: int
    name: str
    moves: str
    region: str


@dataclass(frozen=True, slots=True)
class Prototype:
    """The action units of one emotion.

    Attributes:
        units: the units of the prototype.
        optional: units which the emotion's variants may add.
    """

    units: frozenset[int]
    optional: frozenset[int] = frozenset()


#: The units that are drawn, by FACS number: those of the seven emotions and of their variants.
ACTION_UNITS: Final[Mapping[int, ActionUnit]] = MappingProxyType(
    {
        unit.number: unit
        for unit in (
            ActionUnit(1, "Inner Brow Raiser", "inner ends of the brows go up", "brows"),
            ActionUnit(2, "Outer Brow Raiser", "outer ends of the brows go up", "brows"),
            ActionUnit(4, "Brow Lowerer", "brows go down and together, furrow between", "brows"),
            ActionUnit(5, "Upper Lid Raiser", "upper lids go up, white above the iris", "eyes"),
            ActionUnit(6, "Cheek Raiser", "cheeks push the lower lids up, crow's feet", "eyes"),
            ActionUnit(7, "Lid Tightener", "both lids close in on the iris", "eyes"),
            ActionUnit(9, "Nose Wrinkler", "nose wings and upper lip up, wrinkled root", "nose"),
            ActionUnit(12, "Lip Corner Puller", "lip corners go out and up, fold deepens", "mouth"),
            ActionUnit(15, "Lip Corner Depressor", "lip corners go down", "mouth"),
            ActionUnit(16, "Lower Lip Depressor", "lower lip down, lower teeth show", "mouth"),
            ActionUnit(17, "Chin Raiser", "chin boss and lower lip pushed up", "chin"),
            ActionUnit(20, "Lip Stretcher", "lip corners pulled straight to the sides", "mouth"),
            ActionUnit(23, "Lip Tightener", "lips roll in, thin and narrow", "mouth"),
            ActionUnit(24, "Lip Pressor", "lips pressed together, bulge above and below", "mouth"),
            ActionUnit(25, "Lips Part", "lips come apart, upper teeth show", "mouth"),
            ActionUnit(26, "Jaw Drop", "jaw falls, mouth opens", "chin"),
        )
    }
)

#: Which units make which of the seven emotions. What two emotions share is what makes them
#: confusable: see :func:`shared_units`.
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


def shared_units(first: str, second: str) -> frozenset[int]:
    """Return the units which the prototypes of two emotions have in common.

    Raises:
        ValueError: no prototype is known for one of the names.

    Example:
        >>> sorted(shared_units("fear", "surprise"))
        [1, 2, 5, 26]
    """
    for name in (first, second):
        if name not in PROTOTYPES:
            raise ValueError(f"no prototype for {name!r}; there are {', '.join(PROTOTYPES)}")
    return PROTOTYPES[first].units & PROTOTYPES[second].units


def check_units(units: Mapping[int, float]) -> None:
    """Check that every key is a drawn unit's number and every value an intensity in [0, 1].

    Raises:
        ValueError: one is not; the message says which.
    """
    unknown = sorted(set(units) - set(ACTION_UNITS))
    if unknown:
        raise ValueError(f"unknown action units {unknown}; drawn are {_listed(ACTION_UNITS)}")
    wrong = {number: value for number, value in units.items() if not 0.0 <= value <= 1.0}
    if wrong:
        raise ValueError(f"action unit intensities must lie in [0, 1], got {wrong}")


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
