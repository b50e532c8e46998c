"""Answers of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

#: The label of a face that is too small or whose emotion has too low a probability.
UNCERTAIN: Final = "uncertain"

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answers about N faces.

    Attributes:
        probabilities: float32 ``[N, C]``, calibrated; each row sums to one.
        logits: float32 ``[N, C]``, before the temperature; with test-time augmentation their mean.
        labels: the likeliest class of each face, or :data:`UNCERTAIN`.
        classes: in the order of the columns.
    """

    probabilities: Numbers
    logits: Numbers
    labels: tuple[str, ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def confidence(self) -> Numbers:
        """Probability of the likeliest class of each face, float32 ``[N]``."""
        top: Numbers = self.probabilities.max(axis=1)
        return top


@dataclass(frozen=True, slots=True)
class Face:
    """A face that was found in a picture.

    Attributes:
        box: the detector's ``(x, y, w, h)`` in whole pixels, cut to the picture.
        score: the detector's confidence that this is a face, 0 to 1.
        label: the likeliest class, or :data:`UNCERTAIN`.
        probabilities: float32 ``[C]``, calibrated.
    """

    box: tuple[int, int, int, int]
    score: float
    label: str
    probabilities: Numbers


def labels_of(
    probabilities: Numbers, classes: tuple[str, ...], confidence: float
) -> tuple[str, ...]:
    """Return the likeliest class of each face, or "uncertain" below a probability."""
    best = probabilities.argmax(axis=1)
    sure = probabilities[np.arange(len(best)), best] >= confidence
    return tuple(
        classes[place] if is_sure else UNCERTAIN for place, is_sure in zip(best, sure, strict=True)
    )
