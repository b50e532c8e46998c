"""Person, pose, light and camera of a drawn face, and how they and expressions vary.

Lengths are in face units: half the width of an average head is 0.95. The origin lies inside the
head behind the root of the nose; x points to the picture's right, y down, z to the viewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.data.synthetic.action_units import PROTOTYPES

#: Where a picture is said to have been taken.
CONTEXTS: Final[tuple[str, ...]] = ("lecture", "group work", "exam")

# How often each context is met, by emotion; the emotions that are not named take the last row.
# The tilt is weak on purpose: it is worth a few points to a model that reads metadata, no more.
_CONTEXT_ODDS: Final[Mapping[str, tuple[float, float, float]]] = MappingProxyType(
    {
        "happy": (0.35, 0.45, 0.20),
        "surprise": (0.35, 0.40, 0.25),
        "fear": (0.30, 0.20, 0.50),
        "sad": (0.35, 0.25, 0.40),
        "": (0.40, 0.30, 0.30),
    }
)

_MISSING: Final = 0.15  # how often a face shows one unit fewer than its prototype
_VARIANT: Final = 0.3  # how often a face shows an optional unit of its emotion


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays of a person from picture to picture. Lengths are in face units."""

    age: float = 30.0  #: years
    gender: str = "female"  #: ``"female"`` or ``"male"``
    skin: float = 185.0  #: reflectance of the skin, 0 to 255
    hair: float = 60.0  #: reflectance of the hair, 0 to 255
    face_width: float = 0.95  #: half the width of the head at the cheeks
    jaw: float = 0.38  #: how far the face narrows towards the chin, 0 (square) to 1 (pointed)
    chin: float = 1.22  #: height of the chin below the origin
    eye_distance: float = 0.42  #: from the middle of the face to the middle of an eye
    eye_width: float = 0.21  #: half the width of an eye
    eye_opening: float = 0.085  #: from the eye's axis to the relaxed upper lid
    brow_height: float = 0.3  #: from the eye's axis to the brow
    brow_thickness: float = 0.08  #: thickness of a brow at its inner end
    brow_slant: float = 0.0  #: how much lower the outer end of a relaxed brow is than its inner end
    nose_width: float = 0.17  #: half the width of the nose
    nose_length: float = 0.3  #: height of the tip below the origin
    mouth_width: float = 0.33  #: half the width of the relaxed mouth
    mouth_height: float = 0.68  #: height of the mouth below the origin
    mouth_curve: float = 0.0  #: how much lower the corners of the relaxed mouth are than its middle
    lip: float = 0.1  #: thickness of the lower lip
    hairline: float = 0.92  #: height of the hairline above the origin
    hair_length: float = -0.2  #: how far the hair falls below the origin; negative for short hair
    beard: float = 0.0  #: share of the skin that facial hair hides, 0 to 1
    wrinkles: float = 0.1  #: depth of the lines that age has drawn, 0 to 1
    glasses: bool = False  #: whether the person wears them


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head is turned, in degrees."""

    yaw: float = 0.0  #: to the picture's right
    pitch: float = 0.0  #: downwards
    roll: float = 0.0  #: tilted clockwise

    def matrix(self) -> npt.NDArray[np.float64]:
        """Return the rotation ``[3, 3]`` by which column vectors are multiplied from the left."""
        (cy, cp, cr), (sy, sp, sr) = (
            f(np.deg2rad([self.yaw, self.pitch, self.roll])) for f in (np.cos, np.sin)
        )
        yaw = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
        pitch = np.array([[1.0, 0.0, 0.0], [0.0, cp, sp], [0.0, -sp, cp]])
        roll = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
        matrix: npt.NDArray[np.float64] = roll @ pitch @ yaw
        return matrix


@dataclass(frozen=True, slots=True)
class Light:
    """Where the light comes from and how strong it is."""

    azimuth: float = 0.0  #: degrees to the picture's right of the viewer
    elevation: float = 25.0  #: degrees above the viewer
    ambient: float = 0.45  #: share of light that comes from everywhere, 0 to 1
    exposure: float = 1.0  #: factor on the brightness
    gamma: float = 1.0  #: exponent on the brightness, above 1 for darker middle tones
    background: float = 110.0  #: grey level of the wall behind, 0 to 255
    #: how much brighter the wall is at the picture's right edge than at its left
    slope: float = 0.0

    def direction(self) -> tuple[float, float, float]:
        """Return the unit vector towards the light: right, down, to the viewer."""
        azimuth, elevation = np.deg2rad([self.azimuth, self.elevation])
        level = np.cos(elevation)
        return (
            float(np.sin(azimuth) * level),
            float(-np.sin(elevation)),
            float(np.cos(azimuth) * level),
        )


@dataclass(frozen=True, slots=True)
class Camera:
    """How the face is cropped and recorded."""

    scale: float = 1.0  #: size of the face, 1 for one that fills the picture
    shift_x: float = 0.0  #: shift to the right, as a share of the picture's width
    shift_y: float = 0.0  #: shift down, as a share of the picture's height
    blur: float = 0.0  #: standard deviation of the blur, in pixels of a 48-pixel picture
    noise: float = 0.0  #: standard deviation of the sensor noise, in grey levels


def sample_identity(rng: np.random.Generator) -> Identity:
    """Return a person, aged 17 to 67.

    Gender shows in hair, brows and facial hair, age in wrinkles and grey hair; both only as often
    as not. Neither has a bearing on the expression.
    """
    u = iter(rng.uniform(-1.0, 1.0, size=20).tolist())
    age = 42.0 + 25.0 * next(u)
    male = next(u) > 0.0
    grey = max(0.0, (age - 40.0) / 27.0) * (0.5 + 0.5 * next(u))
    hair = 65.0 + 45.0 * next(u)
    long = next(u) > (0.85 if male else -0.5)
    bearded = male and next(u) > 0.1
    return Identity(
        age=age,
        gender="male" if male else "female",
        skin=160.0 + 60.0 * next(u),
        hair=hair + grey * (200.0 - hair),
        face_width=0.93 + 0.07 * next(u),
        jaw=(0.32 if male else 0.4) + 0.2 * next(u),
        chin=1.22 + 0.07 * next(u),
        eye_distance=0.42 + 0.03 * next(u),
        eye_width=0.205 + 0.025 * next(u),
        eye_opening=0.085 + 0.02 * next(u),
        brow_height=0.29 + 0.05 * next(u),
        brow_thickness=(0.085 if male else 0.07) + 0.025 * next(u),
        brow_slant=0.04 * next(u),
        nose_width=0.17 + 0.03 * next(u),
        nose_length=0.29 + 0.05 * next(u),
        mouth_width=0.33 + 0.05 * next(u),
        mouth_height=0.68 + 0.03 * next(u),
        mouth_curve=float(rng.uniform(-0.03, 0.03)),
        lip=float(rng.uniform(0.06, 0.14)),
        hairline=float(rng.uniform(0.78, 1.1)),
        hair_length=float(rng.uniform(0.3, 1.6)) if long else -0.2,
        beard=float(rng.uniform(0.15, 0.8)) if bearded else 0.0,
        wrinkles=float(np.clip((age - 20.0) / 60.0 + rng.normal(0.0, 0.1), 0.0, 1.0)),
        glasses=bool(rng.random() < 0.15 + 0.3 * (age - 17.0) / 50.0),
    )


def sample_units(
    rng: np.random.Generator, emotion: str, min_intensity: float, max_intensity: float
) -> dict[int, float]:
    """Return the unit intensities of one face that shows an emotion.

    The face as a whole has an intensity between the bounds, and each unit keeps to it by a
    quarter up or down. Now and then one unit of a prototype of three or more is missing, or one
    of the emotion's optional units joins. What is left is never another emotion's prototype.
    """
    prototype = PROTOTYPES[emotion]
    units = sorted(prototype.units)
    if len(units) >= 3 and rng.random() < _MISSING:
        del units[int(rng.integers(len(units)))]
    units += [unit for unit in sorted(prototype.optional) if rng.random() < _VARIANT]
    overall = min_intensity + (max_intensity - min_intensity) * rng.beta(1.8, 1.2)
    own = overall * rng.uniform(0.75, 1.25, size=len(units))
    return dict(zip(units, np.clip(own, 0.0, max_intensity).tolist(), strict=True))


def sample_context(rng: np.random.Generator, emotion: str) -> str:
    """Return one of :data:`CONTEXTS`."""
    odds = _CONTEXT_ODDS.get(emotion, _CONTEXT_ODDS[""])
    return CONTEXTS[int(np.searchsorted(np.cumsum(odds[:-1]), rng.random(), side="right"))]


def sample_pose(rng: np.random.Generator) -> Pose:
    """Return a head that faces the camera, more or less."""
    yaw, pitch, roll = np.clip(rng.normal(size=3), -2.3, 2.3) * (9.0, 5.0, 6.0)
    return Pose(float(yaw), float(pitch), float(roll))


def sample_light(rng: np.random.Generator) -> Light:
    """Return light from somewhere in front, on any wall."""
    low = (-65.0, 0.0, 0.3, 0.75, 0.8, 25.0, -0.7)
    high = (65.0, 50.0, 0.65, 1.25, 1.3, 220.0, 0.7)
    return Light(*rng.uniform(low, high).tolist())


def sample_camera(rng: np.random.Generator) -> Camera:
    """Return a crop that is not quite centred and a sensor that is not quite clean."""
    scale, right, down = np.clip(rng.normal(size=3), -2.5, 2.5) * (0.05, 0.025, 0.025)
    blur, noise = rng.uniform((0.0, 2.0), (0.7, 8.0))
    return Camera(1.0 + float(scale), float(right), float(down), float(blur), float(noise))
