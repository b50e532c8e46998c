"""What a drawn face depends on besides its expression: the person, the pose, light and camera.

Lengths are in face units: half the width of an average head is 0.95. The origin lies inside the
head behind the root of the nose; x points to the picture's right, y down, z to the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays of a person from picture to picture. Lengths are in face units.

    Attributes:
        age: years.
        gender: ``"female"`` or ``"male"``.
        skin: reflectance of the skin, 0 to 255.
        hair: reflectance of the hair, 0 to 255.
        face_width: half the width of the head at the cheeks.
        jaw: how far the face narrows towards the chin, 0 (square) to 1 (pointed).
        chin: height of the chin below the origin.
        eye_distance: from the middle of the face to the middle of an eye.
        eye_width: half the width of an eye.
        eye_opening: from the eye's axis to the relaxed upper lid.
        brow_height: from the eye's axis to the brow.
        brow_thickness: thickness of a brow at its inner end.
        brow_slant: how much lower the outer end of a relaxed brow is than its inner end.
        nose_width: half the width of the nose.
        nose_length: height of the tip below the origin.
        mouth_width: half the width of the relaxed mouth.
        mouth_height: height of the mouth below the origin.
        mouth_curve: how much lower the corners of the relaxed mouth are than its middle.
        lip: thickness of the lower lip.
        hairline: height of the hairline above the origin.
        hair_length: how far the hair falls below the origin; negative for short hair.
        beard: share of the skin that facial hair hides, 0 to 1.
        wrinkles: depth of the lines that age has drawn, 0 to 1.
        glasses: whether the person wears them.
    """

    age: float = 30.0
    gender: str = "female"
    skin: float = 185.0
    hair: float = 60.0
    face_width: float = 0.95
    jaw: float = 0.38
    chin: float = 1.22
    eye_distance: float = 0.42
    eye_width: float = 0.21
    eye_opening: float = 0.085
    brow_height: float = 0.3
    brow_thickness: float = 0.08
    brow_slant: float = 0.0
    nose_width: float = 0.17
    nose_length: float = 0.3
    mouth_width: float = 0.33
    mouth_height: float = 0.68
    mouth_curve: float = 0.0
    lip: float = 0.1
    hairline: float = 0.92
    hair_length: float = -0.2
    beard: float = 0.0
    wrinkles: float = 0.1
    glasses: bool = False


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head is turned, in degrees.

    Attributes:
        yaw: to the picture's right.
        pitch: downwards.
        roll: tilted clockwise.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

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
    """Where the light comes from and how strong it is.

    Attributes:
        azimuth: degrees to the picture's right of the viewer.
        elevation: degrees above the viewer.
        ambient: share of light that comes from everywhere, 0 to 1.
        exposure: factor on the brightness.
        gamma: exponent on the brightness, above 1 for darker middle tones.
        background: grey level of the wall behind, 0 to 255.
        slope: how much brighter the wall is at the picture's right edge than at its left.
    """

    azimuth: float = 0.0
    elevation: float = 25.0
    ambient: float = 0.45
    exposure: float = 1.0
    gamma: float = 1.0
    background: float = 110.0
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
    """How the face is cropped and recorded.

    Attributes:
        scale: size of the face, 1 for one that fills the picture.
        shift_x: shift to the right, as a share of the picture's width.
        shift_y: shift down, as a share of the picture's height.
        blur: standard deviation of the blur, in pixels of a 48-pixel picture.
        noise: standard deviation of the sensor noise, in grey levels.
    """

    scale: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
