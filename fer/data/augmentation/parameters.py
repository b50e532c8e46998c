"""What may happen to a training face, drawn anew for every face and epoch."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Le, Len

from fer.ranges import Share, ShareBelowOne

if TYPE_CHECKING:
    import albumentations

Image = npt.NDArray[np.uint8]


#: What erased rectangles are filled with.
ERASED_GREY: Final = 128


class Augmentation:
    """Random changes of a grey face, by albumentations (Buslaev et al. 2020).

    In this order: rotation, zoom and shift together, flip, contrast and brightness, and an erased
    rectangle (Zhong et al. 2020). :mod:`fer.data.augmentation.batch` draws from the same
    distributions for whole batches.

    The draws depend on the seed handed to :meth:`__call__` alone: not on the process, nor on how
    many faces it has seen, so that every epoch and every loader worker differs and the same seed
    gives the same faces with any number of workers.

    Args:
        rotation: largest angle, in degrees either way.
        zoom: largest relative change of scale either way; 0.1 means 0.9 to 1.1.
        shift: largest shift either way along each axis, as a share of the side.
        flip: probability of a horizontal flip.
        brightness: most that is added to grey values either way, as a share of their range.
        contrast: largest relative change of grey values either way.
        erase: probability that a rectangle is erased.
        erase_area: smallest and largest share of the picture in it.

    Raises:
        ValueError: a parameter is out of range.
    """

    #: Least and most width of an erased rectangle in relation to its height.
    ERASED_RATIO: Final = (0.3, 3.3)

    def __init__(
        self,
        *,
        rotation: Annotated[float, Ge(0), Le(180)] = 0.0,
        zoom: ShareBelowOne = 0.0,
        shift: ShareBelowOne = 0.0,
        flip: Share = 0.0,
        brightness: ShareBelowOne = 0.0,
        contrast: ShareBelowOne = 0.0,
        erase: Share = 0.0,
        erase_area: Annotated[Sequence[Annotated[float, Gt(0), Le(0.3)]], Len(2, 2)] = (0.02, 0.2),
    ) -> None:
        if not 0 <= rotation <= 180:
            raise ValueError(f"rotation must be 0 to 180 degrees, not {rotation}")
        for name, value in (
            ("zoom", zoom), ("shift", shift), ("brightness", brightness), ("contrast", contrast),
        ):  # fmt: skip
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {value}")
        for name, value in (("flip", flip), ("erase", erase)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be a probability, not {value}")
        # Above 0.3 the longest rectangles would not fit into the picture.
        if len(erase_area) != 2 or not 0 < erase_area[0] <= erase_area[1] <= 0.3:
            raise ValueError(
                "erase_area must be two rising shares above 0 and at most 0.3, not "
                f"{list(erase_area)}"
            )
        self.rotation = rotation
        self.zoom = zoom
        self.shift = shift
        self.flip = flip
        self.brightness = brightness
        self.contrast = contrast
        self.erase = erase
        self.erase_area = (erase_area[0], erase_area[1])
        self._pipeline: albumentations.Compose | None = None

    @property
    def is_identity(self) -> bool:
        """Whether faces come out as they went in."""
        return not any(
            (
                self.rotation, self.zoom, self.shift, self.flip,
                self.brightness, self.contrast, self.erase,
            )
        )  # fmt: skip

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
        # One stream for the whole pipeline: its own set_random_seed gives every transform the same,
        # so that, say, faces that are mirrored would be those that are shifted to the left.
        self._pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))  # noqa: S311
        changed: Image = self._pipeline(image=image[..., None])["image"][..., 0]
        return changed

    def _build(self) -> albumentations.Compose:
        # Otherwise the import asks a server for newer versions. Imported here, since it takes two
        # seconds that a run without augmentation need not pay.
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
        import albumentations
        import cv2

        transforms: list[albumentations.BasicTransform] = []
        if self.rotation or self.zoom or self.shift:
            transforms.append(
                albumentations.Affine(
                    rotate=(-self.rotation, self.rotation),
                    scale=(1 - self.zoom, 1 + self.zoom),
                    translate_percent=(-self.shift, self.shift),
                    # One scale for both axes, and the edge repeated rather than black corners.
                    keep_ratio=True,
                    border_mode=cv2.BORDER_REPLICATE,
                    p=1.0,
                )
            )
        if self.flip:
            transforms.append(albumentations.HorizontalFlip(p=self.flip))
        if self.brightness or self.contrast:
            transforms.append(
                albumentations.RandomBrightnessContrast(self.brightness, self.contrast, p=1.0)
            )
        if self.erase:
            transforms.append(
                albumentations.Erasing(
                    self.erase_area, self.ERASED_RATIO, fill=ERASED_GREY, p=self.erase
                )
            )
        # strict: a misspelt argument is an error here, not a warning that is soon forgotten.
        return albumentations.Compose(transforms, strict=True)

    def __getstate__(self) -> dict[str, Any]:
        # Workers build their own pipeline: it is large to send and quick to make.
        return {name: value for name, value in vars(self).items() if name != "_pipeline"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
