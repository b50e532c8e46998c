"""A data set with every flaw that a check looks for, in known places."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from tests.support.fer2013_csv import make_faces, write_fer2013

#: Training is rows 0 to 19, PublicTest 20 to 39, PrivateTest 40 to 59.
BLANK, FEW, SIGN = 0, 1, 2
#: Pairs of a face and its copy.
WITHIN, TO_TEST, TO_VAL, VAL_TO_TEST, WITHIN_TEST = (3, 4), (5, 41), (6, 22), (23, 43), (44, 45)
#: Two to one, and a tie.
MAJORITY, TIE = (7, 8, 9), (10, 11)
#: The second is the first with a little noise.
NEAR_TEST, NEAR_WITHIN = (12, 46), (13, 14)


def warning_sign() -> npt.NDArray[np.uint8]:
    """A triangle on a dark ground, as sites show in place of a picture."""
    image = np.tile(np.arange(48, dtype=np.uint8) // 4, (48, 1))
    corners = np.array([[24, 14], [14, 32], [34, 32]])
    return np.asarray(cv2.polylines(image, [corners], isClosed=True, color=255), dtype=np.uint8)


def make_flawed_faces() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str]]:
    """Return images, labels and official splits."""
    images, labels, usages = make_faces()
    images[BLANK] = 7
    images[FEW] = 7
    images[FEW, :2, :3] = [[1, 2, 3], [4, 5, 6]]
    images[SIGN] = warning_sign()
    for first, second in (WITHIN, TO_TEST, TO_VAL, VAL_TO_TEST, WITHIN_TEST, TIE):
        images[second], labels[second] = images[first], labels[first]
    images[list(MAJORITY)] = images[MAJORITY[0]]
    labels[list(MAJORITY)] = [3, 3, 4]
    labels[list(TIE)] = [3, 4]
    noise = np.random.default_rng(1).integers(0, 20, (48, 48))
    for first, second in (NEAR_TEST, NEAR_WITHIN):
        images[second] = np.clip(images[first].astype(np.int64) + noise, 0, 255)
    return images, labels, usages


def write_flawed_faces(folder: Path) -> Path:
    """Write the data set as ``fer2013.csv`` and return the file."""
    return write_fer2013(folder / "fer2013.csv", *make_flawed_faces())
