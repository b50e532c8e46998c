"""Transforms of albumentations that users compose (``augmentation.transforms``)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fer.core.errors import UserError

Image = npt.NDArray[np.uint8]


class FaceTransforms:
    """Transforms of albumentations (Buslaev et al. 2020), one after the other on a single face.

    What they draw depends on the seed of a call alone: not on the process, nor on earlier calls.

    They must keep size and type of grey pictures.

    Raises:
        UserError: one is not a transform, has an unknown argument, or can't take such pictures.
    """

    def __init__(self, transforms: Sequence[Any]) -> None:
        # Imported here: it takes two seconds that a run without transforms need not pay.
        import albumentations

        kinds = (albumentations.BasicTransform, albumentations.BaseCompose)
        for transform in transforms:
            if not isinstance(transform, kinds):
                raise _error(
                    f"{transform!r} is not a transform, such as "
                    "{_target_: albumentations.HorizontalFlip, p: 0.5}"
                )
        try:
            # strict: albumentations only warns of a misspelt argument.
            self._compose = albumentations.Compose(list(transforms), strict=True)
            self(np.zeros((48, 48), dtype=np.uint8), 0)
        except UserError:
            raise
        except Exception as error:
            raise _error(f"can't be used on grey faces: {error}") from error

    def __call__(self, image: Image, seed: int) -> Image:
        """Return a changed copy of ``image``, uint8 ``[H, W]``, drawn from ``seed``.

        Raises:
            UserError: a transform changed the size or type.
        """
        # One stream for all: its own set_random_seed gives every transform the same, so that, say,
        # faces that are mirrored would be those that are shifted to the left.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))  # noqa: S311
        changed: Image = self._compose(image=image[..., None])["image"]
        if changed.shape != (*image.shape, 1) or changed.dtype != np.uint8:
            raise _error(
                f"make {changed.dtype} {list(changed.shape)} of uint8 {[*image.shape, 1]}; size "
                "and type must stay as they are"
            )
        return changed[..., 0]

    def __repr__(self) -> str:
        return repr(list(self._compose.transforms))


def _error(text: str) -> UserError:
    key = "augmentation.transforms"
    return UserError(f"{key}: {text}", code="bad_transform", where=key)
