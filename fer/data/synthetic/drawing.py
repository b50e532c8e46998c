"""Draws a face from action units, a person, a pose, light and a camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from fer.data.synthetic.action_units import check_units
from fer.data.synthetic.geometry import shape
from fer.data.synthetic.painting import Image, Painter, albedo, shade
from fer.data.synthetic.scene import Camera, Identity, Light, Pose

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
