"""Draws a face from action units, a person, a pose, light and a camera.

Skin, eyes, lips and hair are filled flat, four times too large, and averaged down. Relief (nose,
cheeks, folds) is painted as height, and Lambert's law lights it: the brightness of a spot goes
with the cosine of the angle between its normal and the light.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from fer.data.synthetic.action_units import check_units
from fer.data.synthetic.geometry import SIDES, Points, Shape, shape
from fer.data.synthetic.scene import Camera, Identity, Light, Pose

Image = npt.NDArray[np.uint8]
Map = npt.NDArray[np.float32]
Curves = Mapping[str, Points]
"""``[K, 2]`` by name, in shares of the picture's edge."""

_SUBPIXEL: Final = 4  # bits of a pixel's fraction that OpenCV is given
_LEVEL: Final = 128  # grey level that stands for no relief
_TURN: Final = np.stack([f(np.linspace(0, 2 * np.pi, 17)[:-1]) for f in (np.cos, np.sin)], axis=1)
#: The smallest picture in which lids and lips are still lines of their own.
SMALLEST: Final = 16

_VIEW: Final = 2.36  # face units from edge to edge of the picture
_MIDDLE: Final = 0.14  # height of the picture's centre below the origin, in face units


def draw_face(
    units: Mapping[int, float],
    identity: Identity | None = None,
    pose: Pose | None = None,
    light: Light | None = None,
    camera: Camera | None = None,
    *,
    asymmetry: float = 0.0,
    size: int = 48,
    rng: np.random.Generator | None = None,
) -> Image:
    """Draw a face.

    Everything but the sensor noise is a continuous function of the arguments, so unit
    intensities that rise and fall make a moving face.

    Args:
        units: intensity in [0, 1] by FACS number; a unit that is not named is absent.
        identity: the person; an average one when not given.
        pose: how the head is turned; frontal when not given.
        light: the light; frontal and from above when not given.
        camera: the crop and the sensor; centred and clean when not given.
        asymmetry: in [-1, 1]; how much weaker the units are in the picture's left (positive) or
            right (negative) half of the face.
        size: width and height of the picture, in pixels.
        rng: where the sensor noise comes from; needed only if there is some.

    Returns:
        uint8 ``[size, size]``.

    Raises:
        ValueError: a unit is unknown, an intensity or the asymmetry out of range, the picture
            too small, or noise asked for without a generator.

    Example:
        >>> draw_face({6: 1.0, 12: 1.0}).shape
        (48, 48)
    """
    identity, pose = identity or Identity(), pose or Pose()
    light, camera = light or Light(), camera or Camera()
    check_units(units)
    if not -1.0 <= asymmetry <= 1.0:
        raise ValueError(f"asymmetry must lie in [-1, 1], got {asymmetry}")
    if size < SMALLEST:
        raise ValueError(f"size must be at least {SMALLEST} pixels, got {size}")
    if camera.noise > 0 and rng is None:
        raise ValueError("sensor noise needs a random generator: pass rng=")

    face = shape(identity, units, asymmetry)
    middle = np.array([0.5 + camera.shift_x, 0.5 + camera.shift_y])
    turned = (face.points @ pose.matrix().T)[:, :2]
    points = middle + (turned - np.array([0.0, _MIDDLE])) * (camera.scale / _VIEW)
    curves = {name: points[part] for name, part in face.curves.items()}
    paint = Painter(size, camera.scale / _VIEW)
    reflectance, person = albedo(paint, identity, curves, light.background)
    lit = shade(paint, identity, face, curves, pose=pose, light=light)
    wall = 1.0 + light.slope * (np.linspace(0.0, 1.0, size, dtype=np.float32) - 0.5)
    seen = reflectance * (person * lit + (1.0 - person) * wall) * (light.exposure / 255.0)
    sigma = camera.blur * size / 48
    if sigma > 0:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), sigma), dtype=np.float64)
    picture = (255.0 * np.clip(seen, 0.0, 1.0) ** light.gamma).astype(np.float32)
    if camera.noise > 0 and rng is not None:
        picture += camera.noise * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


class Painter:
    """Fills and strokes curves on square canvases.

    Args:
        size: edge of the finished picture, in pixels.
        unit: one face unit, as a share of the picture's edge.
    """

    def __init__(self, size: int, unit: float) -> None:
        self.size, self.unit = size, unit
        self._fine = size * (4 if size < 128 else 2)

    def canvas(self, value: float, *, fine: bool = True) -> Image:
        """Return an even canvas: too large and to be averaged down, or of the picture's size."""
        edge = self._fine if fine else self.size
        return np.full((edge, edge), round(value), dtype=np.uint8)

    def reduce(self, canvas: Image) -> Map:
        """Average a fine canvas down to float32 ``[size, size]``."""
        small = cv2.resize(canvas, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32)

    def soften(self, canvas: Image | Map, width: float) -> Map:
        """Blur a canvas of the picture's size; ``width`` in face units."""
        sigma = width * self.unit * self.size
        return cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), sigma).astype(np.float32)

    def fill(self, canvas: Image, curve: Points, value: float) -> None:
        """Fill a closed curve."""
        cv2.fillPoly(canvas, [self._fixed(canvas, curve)], value, cv2.LINE_AA, _SUBPIXEL)

    def stroke(
        self, canvas: Image, curve: Points, value: float, width: float, *, closed: bool = False
    ) -> None:
        """Draw along a curve; ``width`` in face units."""
        pixels = max(1, round(width * self.unit * len(canvas)))
        fixed = [self._fixed(canvas, curve)]
        cv2.polylines(canvas, fixed, closed, value, pixels, cv2.LINE_AA, _SUBPIXEL)

    def disc(self, canvas: Image, centre: Points, value: float, rx: float, ry: float) -> None:
        """Fill an ellipse; ``centre`` is ``[1, 2]``, the radii are in face units."""
        self.fill(canvas, centre + _TURN * (rx * self.unit, ry * self.unit), value)

    @staticmethod
    def _fixed(canvas: Image, curve: Points) -> npt.NDArray[np.int32]:
        # OpenCV puts whole numbers in the middle of pixels.
        return np.rint((curve * len(canvas) - 0.5) * (1 << _SUBPIXEL)).astype(np.int32)


def albedo(paint: Painter, who: Identity, curves: Curves, background: float) -> tuple[Map, Map]:
    """Return how much light each pixel reflects, 0 to 255, and how much of it is the person.

    Returns:
        float32 ``[size, size]`` reflectance, and float32 ``[size, size]`` in [0, 1].
    """
    canvas, mask = paint.canvas(background), paint.canvas(0)
    skin, hair = who.skin, who.hair
    cap = _between(curves["hairline"], curves["crown"])
    for layer, levels in ((canvas, (hair, 0.75 * skin, skin, hair)), (mask, (255,) * 4)):
        outlines = (curves["hair"], curves["neck"], curves["head"], cap)
        for outline, level in zip(outlines, levels, strict=True):
            paint.fill(layer, outline, level)
    brow = 0.3 * skin + 0.7 * min(hair, 0.6 * skin)
    for side, _ in SIDES:
        _eye(paint, canvas, who, curves, side)
        paint.fill(canvas, curves[f"brow_{side}"], brow)
        paint.disc(canvas, curves[f"nostril_{side}"], 0.4 * skin, 0.05, 0.028)
    _mouth(paint, canvas, who, curves)
    if who.glasses:
        _glasses(paint, canvas, curves)
    return paint.reduce(canvas) * _tint(paint, who, curves), paint.reduce(mask) / 255.0


def _between(upper: Points, lower: Points) -> Points:
    return np.concatenate([upper, lower[::-1]])


def _eye(paint: Painter, canvas: Image, who: Identity, curves: Curves, side: str) -> None:
    upper, lower = curves[f"lid_upper_{side}"], curves[f"lid_lower_{side}"]
    paint.fill(canvas, _between(upper, lower), 240)
    paint.fill(canvas, curves[f"iris_{side}"], 45)
    paint.stroke(canvas, lower, 0.6 * who.skin, 0.02)
    paint.stroke(canvas, upper, 0.25 * who.skin, 0.035)


def _mouth(paint: Painter, canvas: Image, who: Identity, curves: Curves) -> None:
    top, bottom = curves["lip_top"], curves["lip_bottom"]
    paint.fill(canvas, _between(curves["lip_upper"], top), 0.62 * who.skin)
    paint.fill(canvas, _between(bottom, curves["lip_lower"]), 0.72 * who.skin)
    paint.fill(canvas, _between(top, bottom), 25)
    paint.fill(canvas, _between(curves["teeth_lower"], bottom), 190)
    paint.fill(canvas, _between(top, curves["teeth_upper"]), 215)
    paint.stroke(canvas, top, 0.3 * who.skin, 0.025)


def _glasses(paint: Painter, canvas: Image, curves: Curves) -> None:
    left, right = curves["eye_left"], curves["eye_right"]
    for centre in (left, right):
        lens = centre + _TURN * (0.3 * paint.unit, 0.24 * paint.unit)
        paint.stroke(canvas, lens, 45, 0.028, closed=True)
    ends = np.concatenate([left, right])
    across = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0]) * 0.3 * paint.unit
    paint.stroke(canvas, ends + np.stack([across, -across]), 45, 0.028)
    for side, end in (("left", left - across), ("right", right + across)):
        paint.stroke(canvas, np.concatenate([end, curves[f"ear_{side}"]]), 45, 0.028)


def _tint(paint: Painter, who: Identity, curves: Curves) -> Map:
    """Return what darkens the skin without an edge: eye sockets, facial hair."""
    canvas = paint.canvas(255, fine=False)
    for side, _ in SIDES:
        paint.disc(canvas, curves[f"eye_{side}"], 228, 0.3, 0.22)
    if who.beard > 0:
        hidden = 1.0 - min(who.hair / who.skin, 0.8)
        outline = np.concatenate([curves["beard"], curves["beard_edge"]])
        paint.fill(canvas, outline, 255 * (1.0 - who.beard * hidden))
        paint.fill(canvas, _between(curves["lip_upper"], curves["lip_lower"]), 255)
    return paint.soften(canvas, 0.06) / 255.0


def shade(
    paint: Painter, who: Identity, face: Shape, curves: Curves, *, pose: Pose, light: Light
) -> Map:
    """Return how much light falls on each pixel of the person, 1 for a spot that faces the light.

    Args:
        paint: the painter.
        who: the person.
        face: the face, for the depth of its folds and the height of its bulges.
        curves: the face's curves in the picture.
        pose: how the head is turned.
        light: the light.

    Returns:
        float32 ``[size, size]``.
    """
    soft, sharp = _relief(paint, curves, face)
    per_unit = paint.unit * paint.size  # pixels
    relief = (0.45 / 127) * soft + (0.06 / 127) * sharp
    # Sobel's 3 x 3 kernel weighs differences two pixels apart by eight in all.
    dx = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=per_unit / 8)
    dy = cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=per_unit / 8)

    # The head without relief is an ellipsoid, seen along z; turning hardly changes its outline.
    origin, (across, down) = curves["origin"][0], _grid(paint.size)
    x, y = (across - origin[0]) / paint.unit, (down - origin[1]) / paint.unit
    c, s = float(np.cos(np.deg2rad(pose.roll))), float(np.sin(np.deg2rad(pose.roll)))
    width, height = 1.12 * who.face_width, 1.6
    ex, ey = (c * x + s * y) / width, (c * y - s * x) / height
    ez = np.sqrt(np.maximum(1.0 - ex**2 - ey**2, 0.1))
    ex *= 0.85 / (width * ez)
    ey *= 0.85 / (height * ez)
    nx, ny = c * ex - s * ey - dx, s * ex + c * ey - dy
    right, below, front = light.direction()
    facing = (nx * right + ny * below + front) / np.sqrt(1.0 + nx**2 + ny**2)
    lit = light.ambient + (1.0 - light.ambient) * np.maximum(facing, 0.0)
    # Light from everywhere reaches less far into folds.
    occluded = 1.0 - 0.6 * np.clip(-sharp / 127, 0.0, 1.0)
    shaded: Map = (lit * occluded).astype(np.float32)
    return shaded


def _relief(paint: Painter, curves: Curves, face: Shape) -> tuple[Map, Map]:
    """Return height without edges and height with them, both in grey levels around 0."""
    canvas = paint.canvas(_LEVEL, fine=False)
    for side, _ in SIDES:
        paint.disc(canvas, curves[f"eye_{side}"], _LEVEL - 30, 0.26, 0.2)
        cheek = f"cheek_{side}"
        paint.disc(canvas, curves[cheek], _LEVEL + 60 * face.bulges[cheek], 0.22, 0.15)
    for name, rx, ry in (("chin", 0.2, 0.13), ("above_lip", 0.25, 0.05)):
        paint.disc(canvas, curves[name], _LEVEL + 60 * face.bulges[name], rx, ry)
    paint.fill(canvas, curves["nose"], _LEVEL + 55)
    paint.stroke(canvas, curves["ridge"], _LEVEL + 85, 0.06)
    paint.disc(canvas, curves["tip"], _LEVEL + 110, 0.08, 0.07)
    soft = paint.soften(canvas, 0.055) - _LEVEL

    canvas = paint.canvas(_LEVEL)
    paint.fill(canvas, _between(curves["lip_upper"], curves["lip_lower"]), _LEVEL + 40)
    for name, depth in face.folds.items():
        if depth > 0:
            paint.stroke(canvas, curves[name], _LEVEL - 125 * min(depth, 1.0), 0.04)
    return soft, paint.soften(paint.reduce(canvas), 0.018) - _LEVEL


@lru_cache(maxsize=8)
def _grid(size: int) -> tuple[Map, Map]:
    """Return the pixels' middles, across and down, in shares of the edge: ``[1, W], [H, 1]``."""
    middles = ((np.arange(size) + 0.5) / size).astype(np.float32)
    return middles[None, :], middles[:, None]
