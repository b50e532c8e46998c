"""Tell pictures that show nothing: blank ones, and placeholders of a site's missing pictures."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

#: A picture of no more grey values than this is blank: JPEG leaves some specks on one grey.
FEW_VALUES: Final = 8

#: From which flat share on a picture is taken for a placeholder. On FER2013, 50 of the 52 that
#: this finds (blank ones included) are pictures that FER+ left out as unusable.
FLAT_SHARE: Final = 0.6

#: How far the grey values around a pixel may differ where it is flat.
_FLAT: Final = 6


def grey_values(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return how many different grey values each picture has, int64 ``[N]``.

    Example:
        >>> grey_values(np.zeros((2, 4, 4), dtype=np.uint8)).tolist()
        [1, 1]
    """
    return np.array([len(np.unique(image)) for image in images], dtype=np.int64)


def flat_share(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the share of each picture whose surroundings of 3×3 pixels hardly differ.

    Warning signs, "image not available" and the like are flat but for a few sharp edges; skin,
    hair and clothes are not. A face before a plain wall reaches about half.

    Returns:
        float64 ``[N]``, 0 to 1.
    """
    around = np.ones((3, 3), dtype=np.uint8)
    ranges = (cv2.subtract(cv2.dilate(i, around), cv2.erode(i, around)) for i in images)
    return np.array([np.mean(one <= _FLAT) for one in ranges], dtype=np.float64)
