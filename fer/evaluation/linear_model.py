"""A linear classifier on histograms of oriented gradients: a model as any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from tqdm import tqdm

from fer.core.io import atomic_write
from fer.pixels import Fit

Floats = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Hog:
    """Histograms of oriented gradients (Dalal & Triggs 2005), blocks normalised by L2-Hys.

    Args:
        orientations: directions that are told apart, from 0 to 180 degrees.
        cell: pixels a side of a cell, which has one histogram.
        block: cells a side of a block, which is normalised as a whole.
    """

    orientations: int = 9
    cell: int = 8
    block: int = 2

    def __call__(self, images: Images, *, bar: tqdm[Any] | None = None) -> Floats:
        """Return float32 ``[N, F]`` of uint8 faces ``[N, size, size]``."""
        from skimage.feature import hog

        found = []
        for image in images:
            found.append(
                hog(
                    image,
                    orientations=self.orientations,
                    pixels_per_cell=(self.cell, self.cell),
                    cells_per_block=(self.block, self.block),
                    block_norm="L2-Hys",
                ).astype(np.float32)
            )
            if bar is not None:
                bar.update()
        return np.stack(found)


@dataclass(frozen=True, slots=True)
class LinearModel:
    """A linear classifier; its scores are logits as those of a network are.

    Attributes:
        classes: the class names.
        size: height and width of the faces that it reads, in pixels.
        fit: how pictures that are not square become so.
        hog: what it sees of a face.
        weights: float32 ``[F, C]``, of the features as they are.
        bias: float32 ``[C]``.
        description: what reports call it.
    """

    classes: tuple[str, ...]
    size: int
    fit: Fit
    hog: Hog
    weights: Floats
    bias: Floats
    description: str = "a linear model on histograms of oriented gradients"

    @property
    def temperature(self) -> float | None:
        """None: a judgement fits it on the validation split."""
        return None

    @property
    def columns(self) -> Mapping[str, Any] | None:
        """None: it reads nothing beside the face."""
        return None

    @property
    def made(self) -> Mapping[str, Any]:
        """Empty: its run folder says how it was made."""
        return {}

    @property
    def parameters(self) -> int:
        """The numbers that it has learnt."""
        return self.weights.size + self.bias.size

    def logits(
        self,
        images: Images,
        metadata: Floats | None = None,  # noqa: ARG002 - as every model
        *,
        batch_size: int = 64,  # noqa: ARG002 - as every model
    ) -> Floats:
        """Return float32 ``[N, C]`` of uint8 ``[N, size, size]``."""
        scores: Floats = self.hog(images) @ self.weights + self.bias
        return scores

    def answer(
        self, images: Images, metadata: Floats | None = None, *, batch_size: int = 64
    ) -> tuple[Floats, Floats]:
        """Return probabilities and logits, float32 ``[N, C]`` each."""
        logits = self.logits(images, metadata, batch_size=batch_size)
        return softmax(logits, axis=1), logits

    def save(self, path: Path) -> None:
        """Write the numbers as ``.npz``: ``weights``, ``bias``, ``classes``, ``size``, ``hog``.

        Raises:
            OSError: the file cannot be written.
        """
        cells = np.array([self.hog.orientations, self.hog.cell, self.hog.block])
        with atomic_write(path) as beside:
            np.savez(
                beside,
                weights=self.weights,
                bias=self.bias,
                classes=np.array(self.classes),
                size=self.size,
                hog=cells,
            )
