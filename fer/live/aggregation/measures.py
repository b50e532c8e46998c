"""What is taken from one reading of one face, so that means over a group can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS
from fer.inference import Face

Values = npt.NDArray[np.float64]

#: How pleasant an emotion is, from -1 to 1: the pleasure ratings of Russell & Mehrabian 1977
#: (Evidence for a three-factor theory of emotions, J. Research in Personality 11, 273-294);
#: neutral is zero by definition of the scale.
VALENCE: Final[Mapping[str, float]] = MappingProxyType({
    "angry": -0.51, "disgust": -0.60, "fear": -0.64, "happy": 0.81, "sad": -0.63, "surprise": 0.40,
    "neutral": 0.0,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Index:
    """An index that others made of emotions.

    Attributes:
        formula: how it is computed here.
        source: who published it.
        evidence: what speaks for and against it.
    """

    name: str
    title: str
    weights: Mapping[str, float]
    formula: str
    source: str
    evidence: str


#: The indices that can be asked for.
INDICES: Final[Mapping[str, Index]] = MappingProxyType({
    "sharma2019": Index(
        name="sharma2019",
        title="Concentration index",
        weights=MappingProxyType({
            "neutral": 0.9, "happy": 0.6, "surprise": 0.6, "sad": 0.3, "fear": 0.3, "angry": 0.25,
            "disgust": 0.2,
        }),
        formula="mean over the faces of: sum over the emotions of probability × emotion weight × "
        "gaze weight. Weights: neutral 0.9, happy 0.6, surprise 0.6, sad 0.3, fear 0.3, "
        "angry 0.25, disgust 0.2. Gaze is not measured here: its weight is 1 for each face "
        "that is found.",
        source="Sharma et al. 2019, Student Engagement Detection Using Emotion Analysis, Eye "
        "Tracking and Head Movement with Machine Learning, arXiv:1909.12913",
        evidence="Weights set by hand and tried in one small trial. Nobody has shown that emotion "
        "labels measure concentration; confusion and boredom, which matter for learning, "
        "are not among them (D'Mello & Graesser 2012).",
    )
})  # fmt: skip


class Measures:
    """The numbers of one reading, in one row: what the label is, how sure it is, how pleasant.

    Args:
        index: name of one of :data:`INDICES`, or None.

    Attributes:
        has_valence: whether the classes are the seven emotions, which valence and index need.
    """

    def __init__(self, classes: Sequence[str], index: str | None = None) -> None:
        self.classes = tuple(classes)
        self.has_valence = set(self.classes) == set(EMOTIONS)
        self.index = INDICES[index] if index is not None and self.has_valence else None
        scales = [VALENCE] if self.has_valence else []
        if self.index is not None:
            scales.append(self.index.weights)
        weights = [[scale[name] for name in self.classes] for scale in scales]
        self._weights = np.array(weights, dtype=np.float64).reshape(-1, len(self.classes))

    def of(self, face: Face) -> Values:
        """Return the row of a face whose label is sure, float64 ``[C + 1 + (valence) + (index)]``.

        It has a one at the label's place, the highest probability, and expected valence and index.
        """
        probabilities = face.probabilities.astype(np.float64)
        label = np.zeros(len(self.classes))
        label[self.classes.index(face.label)] = 1.0
        return np.concatenate([label, [probabilities.max()], self._weights @ probabilities])

    def of_shares(self, shares: Values) -> Values:
        """Return a row ``[C + 1 + (valence) + (index)]`` made of shares ``[C]`` of labels alone."""
        return np.concatenate([shares, [np.nan], self._weights @ shares])

    def shares(self, mean: Values) -> Values:
        """Return the shares of the classes ``[C]`` in a mean of rows."""
        return mean[: len(self.classes)]

    def confidence(self, mean: Values) -> float:
        """Return the mean probability of the likeliest class."""
        return float(mean[len(self.classes)])

    def valence(self, mean: Values) -> float | None:
        """Return the mean valence; None where the classes are not the seven emotions."""
        return float(mean[len(self.classes) + 1]) if self.has_valence else None

    def index_of(self, mean: Values) -> float | None:
        """Return the mean index; None where none is asked for."""
        return float(mean[len(self.classes) + 2]) if self.index is not None else None
