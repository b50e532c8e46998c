"""What may happen to a training face, drawn anew for every face and epoch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import albumentations

Image = npt.NDArray[np.uint8]


class Augmentation:
    """Random rotation, zoom and flip of a grey face, by albumentations (Buslaev et al. 2020).

    The draws depend on the seed handed to :meth:`__call__` alone: not on the process, nor on how
    many faces it has seen, so that every epoch and every loader worker differs and the same seed
    gives the same faces with any number of workers.

    Args:
        rotation: largest angle, in degrees either way.
        zoom: largest relative change of scale either way; 0.1 means 0.9 to 1.1.
        flip: probability of a horizontal flip.

    Raises:
        ValueError: a parameter is out of range.
    """

    def __init__(self, *, rotation: float = 0.0, zoom: float = 0.0, flip: float = 0.0) -> None:
        if not 0 <= rotation <= 180:
            raise ValueError(f"rotation must be 0 to 180 degrees, not {rotation}")
        if not 0 <= zoom < 1:
            raise ValueError(f"zoom must be at least 0 and below 1, not {zoom}")
        if not 0 <= flip <= 1:
            raise ValueError(f"flip must be a probability, not {flip}")
        self.rotation = rotation
        self.zoom = zoom
        self.flip = flip
        self._pipeline: albumentations.Compose | None = None

    @property
    def is_identity(self) -> bool:
        """Whether faces come out as they went in."""
        return self.rotation == self.zoom == self.flip == 0

    def prepare(self) -> None:
        """Build the pipeline, which imports albumentations, before loader processes are forked.

        An import in a fork is slow in each of them, and fails where a library of the parent watches
        imports (W&B does).
        """
        if self._pipeline is None and not self.is_identity:
            self._pipeline = self._build()

    def __call__(self, image: Image, seed: int) -> Image:
        """Return a changed copy of ``image``, uint8 ``[H, W]``, drawn from ``seed``."""
        if self.is_identity:
            return image
        if self._pipeline is None:
            self._pipeline = self._build()
        self._pipeline.set_random_seed(seed)
        changed: Image = self._pipeline(image=image[..., None])["image"][..., 0]
        return changed

    def _build(self) -> albumentations.Compose:
        # Otherwise the import asks a server for newer versions. Imported here, since it takes two
        # seconds that a run without augmentation need not pay.
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
        import albumentations
        import cv2

        transforms: list[albumentations.BasicTransform] = []
        if self.rotation or self.zoom:
            transforms.append(
                albumentations.Affine(
                    rotate=(-self.rotation, self.rotation),
                    scale=(1 - self.zoom, 1 + self.zoom),
                    # One scale for both axes, and the edge repeated rather than black corners.
                    keep_ratio=True,
                    border_mode=cv2.BORDER_REPLICATE,
                    p=1.0,
                )
            )
        if self.flip:
            transforms.append(albumentations.HorizontalFlip(p=self.flip))
        # strict: a misspelt argument is an error here, not a warning that is soon forgotten.
        return albumentations.Compose(transforms, strict=True)

    def __getstate__(self) -> dict[str, float]:
        # Workers build their own pipeline: it is large to send and quick to make.
        return {"rotation": self.rotation, "zoom": self.zoom, "flip": self.flip}

    def __setstate__(self, state: dict[str, float]) -> None:
        self.__init__(**state)  # type: ignore[misc]
