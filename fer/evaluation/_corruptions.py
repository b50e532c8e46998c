"""What can spoil a picture of a face: one function a kind, each of one picture.

Every function takes a grey picture uint8 ``[H, W]``, the strength of its severity and a generator,
and returns a new picture of the same shape. Lengths are shares of the face's side, or pixels of a
face of :data:`SIDE` pixels and scaled with others, so that a severity looks alike at any size.
"""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Weights = npt.NDArray[np.float32]

#: The side that lengths in pixels are meant for: FER2013's.
SIDE = 48

#: How far the camera is from a face that is turned, in sides of the face.
_DISTANCE = 2.0

#: Shapes are painted this many times larger, so that they grow smoothly.
_FINER = 8


def gamma(image: Image, exponent: float, _rng: np.random.Generator) -> Image:
    """Raise the share of white to a power: above 1 darkens, below 1 brightens."""
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return table[image]


def side_light(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Multiply by a ramp from ``1 - strength`` to ``1 + strength``, from left or right.

    Its direction is up to 30 degrees off the horizontal.
    """
    turn = rng.uniform(-math.pi / 6, math.pi / 6) + math.pi * rng.integers(2)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij")
    along = x * math.cos(turn) + y * math.sin(turn)
    return _grey(image * (1 + strength * along / np.abs(along).max()))


def rotation(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Turn the picture in its plane, either way."""
    angle = math.radians(degrees) * _either(rng)
    c, s = math.cos(angle), math.sin(angle)
    return _seen(image, np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]))


def yaw(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Turn the picture about its vertical axis, either way, as a flat thing in space."""
    angle = math.radians(degrees) * _either(rng)
    c, s = math.cos(angle), math.sin(angle)
    return _seen(image, np.array([[c, 0.0, 0.0], [0.0, 1.0, 0.0], [-s / _DISTANCE, 0.0, 1.0]]))


def pitch(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Turn the picture about its horizontal axis, either way, as a flat thing in space."""
    angle = math.radians(degrees) * _either(rng)
    c, s = math.cos(angle), math.sin(angle)
    return _seen(image, np.array([[1.0, 0.0, 0.0], [0.0, c, 0.0], [0.0, -s / _DISTANCE, 1.0]]))


def defocus(image: Image, radius: float, _rng: np.random.Generator) -> Image:
    """Average over a disk, whose radius is in pixels of a face of :data:`SIDE` pixels."""
    radius *= image.shape[0] / SIDE
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return _filtered(image, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def motion(image: Image, length: float, rng: np.random.Generator) -> Image:
    """Average along a line of any direction, whose length is in pixels of such a face."""
    length *= image.shape[0] / SIDE
    turn = rng.uniform(0, math.pi)
    along = np.linspace(-length / 2, length / 2, 16 * math.ceil(length))
    reach = math.ceil(length / 2) + 1
    x, y = (along * f(turn) + reach for f in (math.cos, math.sin))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    # Each point of the line is shared by the four pixels around it.
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    for dy in (0, 1):
        for dx in (0, 1):
            share = (1 - np.abs(x - left - dx)) * (1 - np.abs(y - top - dy))
            np.add.at(kernel, (top + dy, left + dx), share)
    return _filtered(image, kernel)


def noise(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """Add normal noise of a standard deviation in grey levels to every pixel."""
    return _grey(image + deviation * rng.standard_normal(image.shape))


def glasses(image: Image, height: float, rng: np.random.Generator) -> Image:
    """Put dark glasses on, whose lenses are so high, in sides of the face."""
    x, y = rng.uniform(-0.03, 0.03, 2)
    cover = _canvas(image)
    side = cover.shape[0]
    line = round((0.38 + y) * side)
    lens = (round(0.62 * height * side), round(0.5 * height * side))
    for centre in (0.3, 0.7):
        cv2.ellipse(cover, (round((centre + x) * side), line), lens, 0, 0, 360, 1.0, -1)
    cv2.line(cover, (0, line), (side, line), 1.0, max(1, round(0.12 * height * side)))
    return _covered(image, cover, 25.0)


def mask(image: Image, share: float, rng: np.random.Generator) -> Image:
    """Put a light mask over the lower ``share`` of the face."""
    x, y = rng.uniform(-0.02, 0.02, 2)
    top = 1 - share + y
    corners = [(0.06, top + 0.07), (0.5, top), (0.94, top + 0.07), (0.86, 1.05), (0.14, 1.05)]
    cover = _canvas(image)
    points = np.array([[(px + x) * cover.shape[1], py * cover.shape[0]] for px, py in corners])
    cv2.fillPoly(cover, [np.rint(points).astype(np.int32)], 1.0)
    return _covered(image, cover, 205.0)


def hand(image: Image, share: float, rng: np.random.Generator) -> Image:
    """Hold a hand, an ellipse of the face's own grey, before this share of it."""
    cover = _canvas(image)
    side = cover.shape[0]
    # pi a b = share of the square, with a = 1.5 b.
    short = math.sqrt(share / (1.5 * math.pi))
    axes = (round(1.5 * short * side), round(short * side))
    # So that it lies within the picture as far as it fits.
    free = max(0.0, 0.5 - 1.2 * short)
    x, y = (round((0.5 + rng.uniform(-free, free)) * side) for _ in range(2))
    turn = rng.uniform(0, 180)
    cv2.ellipse(cover, (x, y), axes, turn, 0, 360, 1.0, -1)
    grey = float(np.median(image)) + rng.uniform(-25, 25)
    return _covered(image, cover, min(max(grey, 30.0), 225.0))


def jpeg(image: Image, quality: float, _rng: np.random.Generator) -> Image:
    """Pack as JPEG of this quality, 0 to 100, and unpack."""
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    # Never None: OpenCV has just packed it.
    return cast("Image", cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE))


def low_resolution(image: Image, side: float, _rng: np.random.Generator) -> Image:
    """Scale the longer side to so many pixels, whatever it was, and back."""
    height, width = image.shape
    scale = min(1.0, side / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    coarse = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return _grey(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def _either(rng: np.random.Generator) -> int:
    return 1 if rng.integers(2) else -1


def _grey(values: npt.NDArray[np.generic]) -> Image:
    grey: Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return grey


def _filtered(image: Image, kernel: npt.NDArray[np.float64]) -> Image:
    kernel = kernel / kernel.sum()
    return _grey(cv2.filter2D(image, cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE))


def _seen(image: Image, turn: npt.NDArray[np.float64]) -> Image:
    """Apply a homography whose unit is the side of the face and whose origin is its centre."""
    height, width = image.shape
    side = max(height, width)
    pixels = np.array([[side, 0, (width - 1) / 2], [0, side, (height - 1) / 2], [0, 0, 1.0]])
    matrix = pixels @ turn @ np.linalg.inv(pixels)
    return _grey(
        cv2.warpPerspective(
            image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    )


def _canvas(image: Image) -> Weights:
    return np.zeros([_FINER * n for n in image.shape], dtype=np.float32)


def _covered(image: Image, cover: Weights, grey: float) -> Image:
    """Blend a grey in where the cover, painted finer, is one."""
    share = cv2.resize(cover, image.shape[::-1], interpolation=cv2.INTER_AREA)
    return _grey(image + share * (grey - image.astype(np.float32)))
