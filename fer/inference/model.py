"""The protocol that checkpoints and exported models implement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from fer.pixels import Fit

if TYPE_CHECKING:
    from torch import nn


class Model(Protocol):
    """Classifies faces."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names."""

    @property
    def size(self) -> int:
        """Height and width of the input faces, in pixels."""

    @property
    def fit(self) -> Fit:
        """How pictures become square."""

    @property
    def temperature(self) -> float | None:
        """Divides the logits for calibrated probabilities; None if unknown."""

    @property
    def columns(self) -> Mapping[str, Any] | None:
        """Description of the metadata that it reads, if any."""

    @property
    def made(self) -> Mapping[str, Any]:
        """How it was made, as far as known: ``data``, ``seed`` and more."""

    def answer(
        self,
        images: npt.NDArray[np.uint8],
        metadata: npt.NDArray[np.float32] | None = None,
        *,
        batch_size: int = 64,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return calibrated probabilities and logits, float32 ``[N, C]`` each.

        Inputs are uint8 ``[N, size, size]`` and, if it reads metadata, float32 ``[N, columns]``; of
        a clip model uint8 ``[N, T, size, size]`` and the clips' lengths, int64 ``[N]``.
        """

    def logits(
        self,
        images: npt.NDArray[np.uint8],
        metadata: npt.NDArray[np.float32] | None = None,
        *,
        batch_size: int = 64,
    ) -> npt.NDArray[np.float32]:
        """Return float32 ``[N, C]`` of uint8 ``[N, size, size]`` and float32 ``[N, columns]``."""


def frames_of(model: object) -> int | None:
    """Return the most frames of a clip that a model reads; None for a model of single faces."""
    frames: int | None = getattr(model, "frames", None)
    return frames


def network_of(model: Model) -> nn.Module | None:
    """Return the torch network of a checkpoint; None for other models, such as ONNX."""
    network: nn.Module | None = getattr(model, "network", None)
    return network
