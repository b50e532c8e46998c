"""What a user of a model knows of it: a checkpoint is one, an exported model is another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from fer.pixels import Fit

if TYPE_CHECKING:
    from torch import nn


class Model(Protocol):
    """Answers faces with logits."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names."""

    @property
    def size(self) -> int:
        """Height and width of the faces that it reads, in pixels."""

    @property
    def fit(self) -> Fit:
        """How pictures that are not square become so."""

    @property
    def temperature(self) -> float | None:
        """What its logits are divided by for calibrated probabilities, if it is known."""

    @property
    def columns(self) -> Mapping[str, Any] | None:
        """Description of the metadata that it reads beside the faces, if it reads any."""

    @property
    def made(self) -> Mapping[str, Any]:
        """How it was made, as far as that is known: ``data``, ``seed`` and more."""

    def answer(
        self,
        images: npt.NDArray[np.uint8],
        metadata: npt.NDArray[np.float32] | None = None,
        *,
        batch_size: int = 64,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return calibrated probabilities and logits, float32 ``[N, C]`` each.

        Of uint8 ``[N, size, size]``, and float32 ``[N, columns]`` where it reads metadata; or, for
        a model of clips, of uint8 ``[N, T, size, size]`` and their lengths, int64 ``[N]``.
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
    """Return the most frames of the clips that a model reads; None for one of single faces."""
    frames: int | None = getattr(model, "frames", None)
    return frames


def network_of(model: Model) -> nn.Module | None:
    """Return the torch network of a checkpoint; None for a model that has none, such as ONNX."""
    network: nn.Module | None = getattr(model, "network", None)
    return network
