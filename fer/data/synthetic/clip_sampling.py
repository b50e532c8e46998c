"""How a face moves through a drawn clip: every distribution behind the time courses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.data.synthetic.action_units import PROTOTYPES
from fer.data.synthetic.sampling import sample_units
from fer.data.synthetic.scene import Camera, Light, Pose

#: Frames that an expression takes to rise, stays at its height, and takes to fall, least and most.
RISE: Final = (2, 3)
APEX: Final = (1, 2)
FALL: Final = (2, 4)
#: Intensity of an expression at its height, least and most.
PEAK: Final = (0.5, 1.0)
#: Standard deviation of the sensor's noise in grey values, least and most.
NOISE: Final = (3.0, 12.0)
#: How far the head is turned, and turns within a clip, one standard deviation in degrees.
_TURN: Final = 2.0

Units = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Course:
    """What a face does over time.

    Attributes:
        units: of each frame, intensity in [0, 1] by FACS number.
        intensity: float64 ``[T]``: of the expression that the clip is labelled with; all 0 for a
            neutral face.
        carried: float64 ``[T]``: of the expression that was there before and fades.
        before: the emotion of that one; empty where there is none.
    """

    units: tuple[Units, ...]
    intensity: npt.NDArray[np.float64]
    carried: npt.NDArray[np.float64]
    before: str


def sample_course(rng: np.random.Generator, emotion: str, length: int, *, carried: float) -> Course:
    """Return how a face that shows an emotion moves over ``length`` frames, 8 or more.

    The expression rises (onset), stays for a moment (apex) and falls (offset) along half a cosine,
    which the clip may cut short. In a share ``carried`` of the clips, those of neutral faces
    included, another expression is at its height when the clip begins, and has faded before the one
    that counts begins. Both are drawn alike: it is their order that tells them apart.
    """
    rise, apex, fall, tail = (
        int(rng.integers(low, high + 1)) for low, high in (RISE, APEX, FALL, FALL)
    )
    hold = int(rng.integers(APEX[0], APEX[1] + 1))
    latest = length - rise - apex
    hold = max(1, min(hold, latest - tail))
    tail = min(tail, latest - hold)
    others = [name for name in PROTOTYPES if name not in (emotion, "neutral")]
    before = others[int(rng.integers(len(others)))] if rng.random() < carried else ""
    begin = int(rng.integers(hold + tail if before else 0, latest + 1))
    up = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, rise + 1) / (rise + 1))
    whole = np.concatenate([np.zeros(begin), up, np.ones(apex), _falling(fall), np.zeros(length)])
    earlier = np.concatenate([np.ones(hold), _falling(tail), np.zeros(length)])
    shown = bool(PROTOTYPES[emotion].units)
    intensity = rng.uniform(*PEAK) * whole[:length] * shown
    left = rng.uniform(*PEAK) * earlier[:length] * bool(before)
    own = sample_units(rng, emotion, 1.0, 1.0)
    other = sample_units(rng, before or "neutral", 1.0, 1.0)
    frames = [
        _scaled(other, strength) if strength > 0 else _scaled(own, float(intensity[t]))
        for t, strength in enumerate(left.tolist())
    ]
    return Course(tuple(frames), intensity, left, before)


def _falling(frames: int) -> npt.NDArray[np.float64]:
    steps: npt.NDArray[np.float64] = np.arange(1, frames + 1) / (frames + 1)
    return 0.5 + 0.5 * np.cos(np.pi * steps)


def sample_turn(rng: np.random.Generator, length: int) -> tuple[Pose, ...]:
    """Return a head that faces the camera and turns a little, slowly and evenly."""
    start, turn = rng.normal(0.0, _TURN, (2, 3)).clip(-2 * _TURN, 2 * _TURN)
    return tuple(Pose(*(start + share * turn).tolist()) for share in np.linspace(0.0, 1.0, length))


def sample_lamp(rng: np.random.Generator) -> Light:
    """Return light from somewhere in front, as even as in a laboratory."""
    low = (-25.0, 10.0, 0.45, 0.9, 0.9, 60.0, -0.2)
    high = (25.0, 40.0, 0.65, 1.1, 1.1, 180.0, 0.2)
    return Light(*rng.uniform(low, high).tolist())


def sample_film_camera(rng: np.random.Generator) -> Camera:
    """Return a crop that is nearly centred, and the poor sensor of a film."""
    scale, right, down = rng.normal(0.0, 0.015, 3).clip(-0.03, 0.03).tolist()
    return Camera(1.0 + scale, right, down, float(rng.uniform(0.0, 0.4)), rng.uniform(*NOISE))


def _scaled(units: Units, intensity: float) -> Units:
    return {number: value * intensity for number, value in units.items() if intensity > 0}
