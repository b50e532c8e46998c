"""The geometry of a drawn face: its lines and outlines, and how action units move them.

Lengths and axes are those of :mod:`fer.data.synthetic.scene`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.data.synthetic.scene import Identity

Line = npt.NDArray[np.float64]
"""``[K]``"""
Points = npt.NDArray[np.float64]
"""``[K, 3]`` in face units or ``[K, 2]`` in shares of the picture's edge."""

#: Left and right as the picture shows them, not as the person would say.
SIDES: Final = (("left", -1.0), ("right", 1.0))

_EYES: Final = -0.12  # height of the eyes' axis
_ALONG: Final = np.linspace(0.0, 1.0, 6)  # along a brow, inner end first
_LID: Final = np.linspace(-1.0, 1.0, 9)  # along a lid, corner to corner
_LIP: Final = np.linspace(-1.0, 1.0, 13)  # along a lip, corner to corner
_ROUND: Final = np.linspace(0.0, 2.0 * np.pi, 37)[:-1]  # around the head, from the top
_ARC: Final = np.linspace(-1.0, 1.0, 11) * (np.pi / 2)  # over the crown, left to right


class _Units:
    """Action unit intensities of one half of the face; a unit that is not named is absent."""

    __slots__ = ("_values", "_weight")

    def __init__(self, values: Mapping[int, float], weight: float = 1.0) -> None:
        self._values = values
        self._weight = weight

    def __getitem__(self, number: int) -> float:
        return self._weight * self._values.get(number, 0.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """A face before the camera sees it.

    Attributes:
        points: the points of all its curves, ``[K, 3]`` in face units.
        curves: where in ``points`` each named line or outline lies.
        folds: depth of the named skin folds among the curves, 0 (smooth) to about 1.
        bulges: height of raised soft tissue (cheeks, chin), by the name of its centre's curve.
    """

    points: Points
    curves: Mapping[str, slice]
    folds: Mapping[str, float]
    bulges: Mapping[str, float]


class _Sketch:
    """A shape in the making: curves are collected and put on the head's surface all at once."""

    def __init__(self) -> None:
        self._skin: dict[str, Points] = {}
        self._free: dict[str, Points] = {}
        self.folds: dict[str, float] = {}
        self.bulges: dict[str, float] = {}

    def skin(self, name: str, x: Line, y: Line | float, out: Line | float = 0.0) -> None:
        """Add a curve that lies ``out`` in front of the head's surface."""
        points = self._skin[name] = np.empty((len(x), 3))
        points[:, 0], points[:, 1], points[:, 2] = x, y, out

    def free(self, name: str, x: Line, y: Line | float, z: Line | float = 0.0) -> None:
        """Add a curve with a depth of its own."""
        points = self._free[name] = np.empty((len(x), 3))
        points[:, 0], points[:, 1], points[:, 2] = x, y, z

    def finish(self, who: Identity) -> Shape:
        every = self._skin | self._free
        points = np.concatenate(list(every.values()))
        ends = np.cumsum([len(curve) for curve in every.values()]).tolist()
        curves = {
            name: slice(end - len(curve), end)
            for (name, curve), end in zip(every.items(), ends, strict=True)
        }
        skin = points[: ends[len(self._skin) - 1]]
        x, y = skin[:, 0] / (1.08 * who.face_width), (skin[:, 1] - 0.05) / 1.6
        skin[:, 2] += 0.9 * np.sqrt(np.maximum(1.0 - x**2 - y**2, 0.02))
        return Shape(points, curves, self.folds, self.bulges)


def shape(who: Identity, units: Mapping[int, float], asymmetry: float = 0.0) -> Shape:
    """Return the face of a person whose action units have the given intensities.

    Args:
        who: the person.
        units: intensity in [0, 1] by FACS number.
        asymmetry: in [-1, 1]; how much weaker the units are in the picture's left (positive) or
            right (negative) half of the face.
    """
    face = _Sketch()
    for side, sign in SIDES:
        half = _Units(units, 1.0 - max(0.0, -asymmetry * sign))
        _brow(face, who, half, side, sign)
        _eye(face, who, half, side, sign)
        _cheek(face, who, half, side, sign)
    both = _Units(units)
    _mouth(face, who, both, asymmetry)
    _nose(face, who, both)
    _forehead(face, who, both)
    _head(face, who, both)
    _hair(face, who)
    return face.finish(who)


def _brow(face: _Sketch, who: Identity, u: _Units, side: str, sign: float) -> None:
    t = _ALONG
    together = 0.09 * u[4] * (1.0 - t)
    x = who.eye_distance - 0.26 + 0.5 * t - together
    relaxed = _EYES - who.brow_height - 0.05 * np.sin(np.pi * t) + who.brow_slant * t
    # AU 1 and 4 together pull the inner ends up and in, so the raiser wins there over the lowerer.
    lowered = u[4] * (0.15 - 0.05 * t) * (1.0 - 0.75 * u[1] * (1.0 - t)) + 0.07 * u[9] * (1.0 - t)
    raised = 0.16 * u[1] * (1.0 - t) ** 1.3 + 0.15 * u[2] * t**0.7 * (1.25 - 0.5 * t)
    y = relaxed + lowered - raised
    thick = who.brow_thickness * (1.0 - 0.65 * t**2)
    xs, ys = np.concatenate([x, x[::-1]]), np.concatenate([y - thick / 2, (y + thick / 2)[::-1]])
    face.skin(f"brow_{side}", sign * xs, ys, 0.05)
    line = np.array([-0.14, 0.02, 0.1])
    inner = x[0] * 0.45 - 0.02
    face.skin(
        f"furrow_{side}",
        sign * np.full(3, inner) + sign * np.array([0.02, 0.0, 0.01]),
        y[0] + line + 0.04,
    )
    face.folds[f"furrow_{side}"] = 0.65 * u[4] + 0.2 * u[9] + 0.15 * who.wrinkles


def _eye(face: _Sketch, who: Identity, u: _Units, side: str, sign: float) -> None:
    t = _LID
    upper = who.eye_opening + 0.085 * u[5] - 0.03 * u[7] - 0.015 * u[9] - 0.01 * u[6]
    lower = 0.07 + 0.01 * u[5] - 0.045 * u[7] - 0.03 * u[6] - 0.02 * u[9]
    upper, lower = max(upper, 0.025), max(lower, 0.012)
    x = sign * who.eye_distance + t * who.eye_width
    slant = -0.015 * sign * t  # the outer corner lies a little higher
    top = _EYES - upper * (1.0 - t**2) ** 0.7 + slant
    bottom = _EYES + lower * (1.0 - t**2) ** 0.8 + slant
    face.skin(f"lid_upper_{side}", x, top)
    face.skin(f"lid_lower_{side}", x, bottom)
    turn = np.linspace(0.0, 2.0 * np.pi, 17)[:-1]
    ix, iy = sign * who.eye_distance + 0.105 * np.cos(turn), _EYES - 0.01 + 0.105 * np.sin(turn)
    # Clipping the iris by the lids here spares the painter a mask.
    iy = np.clip(iy, np.interp(ix, x, top), np.interp(ix, x, bottom))
    face.skin(f"iris_{side}", ix, iy)
    centre = np.array([sign * who.eye_distance])
    face.skin(f"eye_{side}", centre, _EYES - 0.01)
    crease = -0.06 - 0.3 * (who.brow_height - 0.25) + 0.04 * u[5]
    face.skin(f"crease_{side}", x, top + crease)
    face.folds[f"crease_{side}"] = 0.4
    face.skin(f"pouch_{side}", x[1:-1], bottom[1:-1] + 0.07)
    face.folds[f"pouch_{side}"] = 0.15 + 0.3 * who.wrinkles + 0.45 * u[7] + 0.45 * u[6]
    corner = sign * (who.eye_distance + who.eye_width + 0.05)
    fan = sign * np.array([0.0, 0.11])
    for number, (start, end) in enumerate(((-0.17, -0.25), (-0.1, -0.11), (-0.04, 0.05))):
        name = f"crows_foot_{side}_{number}"
        face.skin(name, corner + fan, np.array([start, end]))
        face.folds[name] = 0.6 * u[6] + 0.2 * who.wrinkles


def _cheek(face: _Sketch, who: Identity, u: _Units, side: str, sign: float) -> None:
    up = 0.12 * u[6] + 0.06 * u[12]
    name = f"cheek_{side}"
    face.skin(name, np.array([sign * 0.5]), np.array([0.3 - up]))
    face.bulges[name] = 0.25 + 0.55 * u[6] + 0.4 * u[12]
    wing = who.nose_length - 0.06 - 0.08 * u[9]
    out = who.mouth_width + 0.07 + 0.12 * u[12] + 0.11 * u[20]
    end = who.mouth_height - 0.02 - 0.08 * u[12] + 0.05 * u[15]
    xs = sign * np.array([who.nose_width + 0.03, who.nose_width + 0.14 + 0.06 * u[12], out, out])
    ys = np.array([wing, wing + 0.1, end - 0.08, end + 0.04])
    face.skin(f"nasolabial_{side}", xs, ys)
    face.folds[f"nasolabial_{side}"] = (
        0.12 + 0.3 * who.wrinkles + 0.45 * u[12] + 0.4 * u[9] + 0.2 * u[20]
    )
    corner = who.mouth_width + 0.02 + 0.12 * u[20]
    face.skin(
        f"corner_{side}",
        sign * np.array([corner, corner + 0.05, corner + 0.03]),
        who.mouth_height + np.array([0.03, 0.1, 0.2]) + 0.08 * u[15] - 0.06 * u[20],
    )
    face.folds[f"corner_{side}"] = 0.45 * u[15] + 0.35 * u[20] + 0.15 * who.wrinkles


def _mouth(face: _Sketch, who: Identity, u: _Units, asymmetry: float) -> None:
    t, t2 = _LIP, _LIP**2
    w = 1.0 - np.maximum(0.0, -asymmetry * t)  # each half's strength, fading to full in the middle
    # Jaw drop rounds the mouth unless the stretcher holds its corners.
    narrow = 0.06 * u[23] + 0.04 * u[24] + 0.05 * u[26] * (1.0 - u[20])
    x = t * (who.mouth_width + w * (0.11 * u[12] + 0.13 * u[20]) - narrow)
    corners = who.mouth_curve + w * (0.13 * u[15] - 0.14 * u[12] + 0.02 * u[20])
    seam = who.mouth_height + t2 * corners - (1.0 - t2) * (0.055 * u[17] + 0.03 * u[9])
    gap = 0.27 * u[26] + 0.1 * u[25]
    # A stretched mouth opens to a slot, a relaxed one to an oval.
    hole = (1.0 - np.abs(t) ** (2.0 + 2.0 * u[20])) ** 0.6 * gap
    thin = (1.0 - 0.55 * u[23]) * (1.0 - 0.55 * u[24]) * (1.0 - 0.25 * u[12]) * (1.0 - 0.2 * u[20])
    top = seam - 0.15 * hole - (1.0 - t2) * (0.03 * u[25] + 0.02 * u[9])
    bottom = seam + 0.85 * hole + (1.0 - t2**2) * 0.1 * u[16]
    bow = (1.0 - np.abs(t) ** 1.8) * (1.0 - 0.25 * np.exp(-40.0 * t2))
    upper = top - 0.75 * who.lip * thin * bow - (1.0 - t2) * 0.03 * u[9]
    lower = bottom + who.lip * (thin + 0.25 * u[17] + 0.15 * u[16]) * (1.0 - t2) ** 0.7
    out = 0.1 * (1.0 - t2)
    for name, y in (("upper", upper), ("top", top), ("bottom", bottom), ("lower", lower)):
        face.skin(f"lip_{name}", x, y, out)
    teeth = np.minimum(0.05 + 0.06 * u[25] + 0.05 * u[20], 0.8 * (bottom - top))
    face.skin("teeth_upper", x, top + teeth, out)
    teeth = np.minimum(0.07 * u[16] + 0.02 * u[20], 0.7 * (bottom - top))
    face.skin("teeth_lower", x, bottom - teeth, out)
    middle = _LIP.size // 2
    face.skin("below_lip", 0.55 * x[3:-3], lower[middle] + 0.04 + 0.03 * t2[3:-3])
    face.folds["below_lip"] = 0.3 + 0.6 * u[17] + 0.2 * u[24] + 0.2 * u[23]
    face.skin("above_lip", np.zeros(1), float(upper[middle]) - 0.05)
    face.bulges["above_lip"] = 0.15 + 0.4 * u[24] + 0.2 * u[23]


def _nose(face: _Sketch, who: Identity, u: _Units) -> None:
    up, width = 0.07 * u[9], who.nose_width * (1.0 + 0.2 * u[9] + 0.08 * u[12])
    tip = who.nose_length - 0.5 * up
    x = np.array([0.06, 0.6 * width, width, 0.5 * width])
    y = np.array([-0.22, tip - 0.12, tip - 0.02 - up, tip + 0.04])
    out = np.array([0.08, 0.26, 0.12, 0.2])
    face.skin("nose", np.append(x, -x[::-1]), np.append(y, y[::-1]), np.append(out, out[::-1]))
    face.skin("tip", np.zeros(1), np.array([tip]), 0.32)
    face.skin("ridge", np.zeros(3), np.array([-0.2, 0.02, tip - 0.05]), np.array([0.1, 0.2, 0.3]))
    for side, sign in SIDES:
        below = np.array([tip + 0.05 - 0.4 * up])
        face.skin(f"nostril_{side}", np.array([sign * 0.5 * width]), below, 0.2)
        for number, height in enumerate((-0.1, 0.0)):
            name = f"wrinkle_{side}_{number}"
            ends = height + np.array([0.03, -0.04])
            face.skin(name, sign * np.array([0.03, 0.15]), ends, 0.1)
            face.folds[name] = 0.7 * u[9]


def _forehead(face: _Sketch, who: Identity, u: _Units) -> None:
    x = np.linspace(-0.5, 0.5, 7)
    for number, y in enumerate((0.34, 0.45)):
        name = f"forehead_{number}"
        bow = 0.05 * (2.0 * x) ** 2 * (1.0 - u[2]) - 0.1 * max(u[1], u[2])
        face.skin(name, x * (0.5 + 0.5 * max(u[2], 0.4)), bow - who.brow_height - y)
        face.folds[name] = 0.25 * u[1] + 0.25 * u[2] + 0.2 * who.wrinkles


def _head(face: _Sketch, who: Identity, u: _Units) -> None:
    up, out = -np.cos(_ROUND), np.sin(_ROUND)
    low = np.maximum(up, 0.0)
    width = who.face_width * (1.0 - who.jaw * 0.55 * low**2)
    y = np.where(up < 0.0, 1.42 * up, (who.chin + 0.2 * u[26] - 0.03 * u[17]) * up)
    x = width * np.sign(out) * np.abs(out) ** 0.85
    face.free("head", x, y)
    face.free("origin", np.zeros(1), 0.0)
    face.skin("chin", np.zeros(1), who.chin - 0.17 + 0.18 * u[26] - 0.06 * u[17], 0.1)
    face.bulges["chin"] = 0.25 + 0.5 * u[17]
    face.free("beard", x[8:29], y[8:29], 0.3)  # from one cheek over the chin to the other
    cheeks = np.array([-0.62, -0.38, 0.0, 0.38, 0.62])
    above = np.array([0.25, -0.15, -0.22, -0.15, 0.25]) + who.mouth_height
    face.skin("beard_edge", cheeks, above)
    face.free("neck", np.array([-0.5, 0.5, 0.7, -0.7]), np.array([0.8, 0.8, 2.0, 2.0]), -0.2)
    for name, sign in SIDES:
        face.free(f"ear_{name}", np.array([sign * who.face_width]), -0.15, 0.1)


def _hair(face: _Sketch, who: Identity) -> None:
    across, up = np.sin(_ARC), np.cos(_ARC)
    face.skin(
        "hairline",
        who.face_width * across,
        -0.35 - (who.hairline - 0.35) * np.maximum(up, 0.0) ** 0.35,
    )
    x, y = (who.face_width + 0.1 * np.maximum(up, 0.0) ** 0.4) * across, -1.55 * up - 0.1
    face.free("crown", x, y)
    # Short hair ends behind the ears, long hair hangs clear of the jaw.
    side = who.face_width + (0.14 if who.hair_length > 0 else -0.2)
    x = np.concatenate([x, [side, side - 0.08, 0.08 - side, -side]])
    fall = who.hair_length
    face.free("hair", x, np.concatenate([y, [min(fall, 0.2), fall, fall, min(fall, 0.2)]]))
