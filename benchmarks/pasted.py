"""Frames of known content: FER2013 faces pasted at several sizes onto backgrounds without faces."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """A picture and the faces in it.

    Attributes:
        image: uint8 ``[H, W, 3]`` RGB.
        tiles: int ``[N, 3]``: left, top and side of each pasted face.
        faces: int ``[N]``: which face of the data each is.
    """

    image: Pixels
    tiles: npt.NDArray[np.int64]
    faces: npt.NDArray[np.int64]


def public_test() -> tuple[Pixels, npt.NDArray[np.int64]] | None:
    """Return PublicTest's faces, uint8 ``[N, 48, 48]``, and labels; None without FER2013."""
    root = os.environ.get("FER_DATA_ROOT")
    if not root:
        print("set FER_DATA_ROOT to the folder of fer2013.csv", file=sys.stderr)
        return None
    from fer.data.sources.fer2013 import Fer2013

    split = Fer2013(root).load().splits["val"]
    return np.asarray(split.images), split.labels.astype(np.int64)


def frames(
    faces: Pixels,
    count: int,
    *,
    each: int = 30,
    sides: tuple[int, int] = (80, 200),
    size: tuple[int, int] = (1280, 720),
    seed: int = 0,
) -> Iterator[Frame]:
    """Yield frames with faces that don't overlap.

    Args:
        faces: uint8 ``[N, 48, 48]``; taken in random order without repeating one in a frame.
        count: how many frames.
        each: faces a frame, as far as there is room.
        sides: smallest and largest side of the pasted squares, in pixels.
        size: width and height of the frames.
        seed: of everything that is random.
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        image = background(size, rng)
        tiles: list[tuple[int, int, int]] = []
        chosen: list[int] = []
        for face in rng.choice(len(faces), size=each, replace=False).tolist():
            place = _room(tiles, sides, size, rng)
            if place is None:
                break
            left, top, side = place
            how = cv2.INTER_CUBIC if side >= faces.shape[1] else cv2.INTER_AREA
            tile = cv2.resize(faces[face], (side, side), interpolation=how)
            image[top : top + side, left : left + side] = tile[..., None]
            tiles.append(place)
            chosen.append(face)
        yield Frame(image, np.array(tiles).reshape(-1, 3), np.array(chosen, dtype=np.int64))


def background(size: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Return a coloured scene of soft blobs, straight lines and fine noise."""
    width, height = size
    coarse = rng.integers(30, 226, (6, 10, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        start, end = (tuple(rng.integers(0, (width, height)).tolist()) for _ in range(2))
        color = tuple(rng.integers(0, 256, 3).tolist())
        cv2.line(scene, start, end, color, int(rng.integers(1, 8)), cv2.LINE_AA)
    noise = rng.normal(0, 4, scene.shape)
    return np.clip(scene + noise, 0, 255).astype(np.uint8)


def _room(
    taken: list[tuple[int, int, int]],
    sides: tuple[int, int],
    size: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[int, int, int] | None:
    for _ in range(300):
        side = int(rng.integers(sides[0], sides[1] + 1))
        left, top = (int(rng.integers(0, length - side)) for length in size)
        gap = side // 4
        if all(
            left + side + gap <= x or x + s + gap <= left
            or top + side + gap <= y or y + s + gap <= top
            for x, y, s in taken
        ):  # fmt: skip
            return left, top, side
    return None
