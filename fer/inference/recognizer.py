"""Faces in, emotions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fer.inference.faces import Crops, prepared
from fer.inference.model import Model
from fer.inference.prediction import Numbers, Prediction, labels_of
from fer.inference.views import views
from fer.metadata import encode


class Recognizer:
    """A model in use.

    What it answers is the label that annotators would give a face, not what a person feels.

    Args:
        model: an exported model or a checkpoint.
        confidence: probability of the likeliest class below which a face is ``uncertain``.

    Raises:
        ValueError: ``confidence`` is no probability.
    """

    def __init__(self, model: Model, *, confidence: float = 0.0) -> None:
        if not 0 <= confidence <= 1:
            raise ValueError(f"confidence must be from 0 to 1, not {confidence}")
        self.model = model
        self.confidence = confidence

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self.model.classes

    def classify(
        self,
        faces: Crops,
        metadata: Mapping[str, Sequence[Any] | npt.NDArray[np.generic]] | None = None,
        *,
        tta: bool = False,
    ) -> Prediction:
        """Say what each face shows.

        Args:
            faces: crops of faces: uint8 ``[N, H, W]`` grey or ``[N, H, W, 3]`` RGB of any size, or
                a list of pictures of different sizes.
            metadata: what is known beside the faces, one sequence of N values a column, for a
                model that reads it; others ignore it.
            tta: look at each face ten times, mirrored and shifted: ten times the work, a little
                more accuracy.

        Raises:
            FacesError: the faces are no such array.
            ValueError: the metadata don't fit the faces.
        """
        small = prepared(faces, self.model.size, self.model.fit)
        columns = self.model.columns
        beside = None
        if metadata is not None and columns is not None:
            beside = encode(metadata, columns, len(small))
        if tta:
            probabilities, logits = self._ten_views(small, beside)
        else:
            probabilities, logits = self.model.answer(small, beside)
        labels = labels_of(probabilities, self.classes, self.confidence)
        return Prediction(probabilities, logits, labels, self.classes)

    def _ten_views(
        self, faces: npt.NDArray[np.uint8], metadata: Numbers | None
    ) -> tuple[Numbers, Numbers]:
        answers = [self.model.answer(np.ascontiguousarray(v), metadata) for v in views(faces)]
        probabilities: Numbers = np.mean(np.stack([one for one, _ in answers]), axis=0)
        logits: Numbers = np.mean(np.stack([one for _, one in answers]), axis=0)
        return probabilities, logits
