"""What each face looked like in its last frames, for models that read clips."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from fer.inference.crops import square_crop
from fer.inference.detection import Detection
from fer.inference.faces import prepared
from fer.inference.model import Model
from fer.pixels import Image

Frames = npt.NDArray[np.uint8]


class LastFrames:
    """Keeps the newest crops of each track, as small as the model reads them, in memory alone.

    Args:
        count: how many of each.
        model: that reads them.
    """

    def __init__(self, count: int, model: Model) -> None:
        self._count = count
        self._size, self._fit = model.size, model.fit
        self._tracks: dict[str, deque[Frames]] = {}

    def __len__(self) -> int:
        return len(self._tracks)

    def update(
        self, names: Sequence[str], image: Image, found: Sequence[Detection]
    ) -> list[Frames]:
        """Add the faces of a frame; return the last frames of each, this one included.

        Args:
            names: the track of each face.
            image: uint8 ``[H, W, 3]`` RGB.
            found: the faces in it.

        Returns:
            For each face uint8 ``[T, size, size]``, T from 1 to the number that is kept.
        """
        crops = prepared([square_crop(image, one.box) for one in found], self._size, self._fit)
        for name, crop in zip(names, crops, strict=True):
            self._tracks.setdefault(name, deque(maxlen=self._count)).append(crop)
        return [np.stack(self._tracks[name]) for name in names]

    def keep(self, tracks: Collection[str]) -> None:
        """Forget all but some tracks."""
        for name in [name for name in self._tracks if name not in tracks]:
            del self._tracks[name]
