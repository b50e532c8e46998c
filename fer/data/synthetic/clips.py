"""The built-in clips: drawn faces whose expressions rise, are there for a moment, and fade.

They are drawn, and say nothing about real films. Heads face the camera and the light is even, as
in a laboratory, so that some hundred clips suffice to learn from. They are made so that time
matters:

- An expression rises from the neutral face to its apex and fades again (Ekman & Friesen 1978:
  onset, apex, offset). The apex is short and at a random moment, so most frames are faint.
- The sensor is noisy, in every frame anew: one frame alone is often ambiguous.
- A clip is cut out of a film, so that in a part of them another expression is still there when the
  clip begins, and fades. The label is that of the expression that begins in the clip, or neutral
  where none does. A single frame can't tell one from the other: what was before what can.

So a classifier of single frames that votes over a clip is at a disadvantage by construction,
and what a model of time gains here is no measure of what it gains on films of people.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le
from tqdm import tqdm

from fer.core.clips import pad_clips
from fer.core.labels import EMOTIONS
from fer.core.metadata import Columns
from fer.core.ranges import FrameCount, PictureSide, PositiveInt, Share
from fer.data.cache import Cache, Entry, folder_of, recipe_key
from fer.data.source import Faces, Split
from fer.data.synthetic.action_units import PROTOTYPES
from fer.data.synthetic.drawing import Image, draw_face
from fer.data.synthetic.faces import (
    NOISE,
    PICTURE,
    RENDERER_VERSION,
    check_numbers,
    person_and_emotion,
    seeds,
)
from fer.data.synthetic.scene import Camera, Identity, Light, Pose, sample_units

#: Counts up whenever the same arguments come to give other clips.
CLIPS_VERSION: Final = 1

#: Fewer frames leave no room for two expressions.
SHORTEST: Final = 8
#: Frames that an expression takes to rise, stays at its height, and takes to fall, least and most.
RISE: Final = (2, 3)
APEX: Final = (1, 2)
FALL: Final = (2, 4)
#: Intensity of an expression at its height, least and most.
PEAK: Final = (0.5, 1.0)
#: Standard deviation of the sensor's noise in grey values, least and most.
_SENSOR_NOISE: Final = (3.0, 12.0)
#: How far the head is turned, and turns within a clip, one standard deviation in degrees.
_TURN: Final = 2.0

Units = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Course:
    """What a face does over time."""

    units: tuple[Units, ...]  #: of each frame, intensity in [0, 1] by FACS number
    #: float64 ``[T]``: of the expression that the clip is labelled with; all 0 for a neutral face
    intensity: npt.NDArray[np.float64]
    #: float64 ``[T]``: of the expression that was there before and fades
    carried: npt.NDArray[np.float64]
    before: str  #: the emotion of that one; empty where there is none


@dataclass(frozen=True, slots=True)
class ClipRecipe:
    """Everything one clip is drawn from."""

    emotion: str  #: the label, one of :data:`fer.core.labels.EMOTIONS`
    course: Course  #: what the face does, frame by frame
    asymmetry: float  #: see :func:`fer.data.synthetic.draw_face`
    identity: Identity  #: the person
    poses: tuple[Pose, ...]  #: how the head is turned, frame by frame
    light: Light  #: the light
    camera: Camera  #: the crop and the sensor
    noise: np.random.SeedSequence  #: where the sensor noise starts from

    def draw(self, size: PictureSide = 48) -> Image:
        """Return the frames, uint8 ``[T, size, size]``; the same ones every time."""
        rng = np.random.default_rng(self.noise)
        return np.stack(
            [
                draw_face(
                    units,
                    self.identity,
                    pose,
                    self.light,
                    self.camera,
                    asymmetry=self.asymmetry,
                    size=size,
                    rng=rng,
                )
                for units, pose in zip(self.course.units, self.poses, strict=True)
            ]
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntheticClips:
    """Clips drawn from facial action units, see the module.

    Every person is filmed seven times, once for each emotion in an order of their own; no person is
    in two splits. Clip ``i`` of a split depends on ``seed``, ``size``, ``frames``, ``shortest`` and
    ``carried``, not on how many there are. The metadata are ``age``, ``gender`` and ``before`` (the
    expression that fades at the beginning, or ``none``), for an evaluation to tell clips apart: no
    model reads them.

    The first load draws the clips, a millisecond a frame, into the cache; later ones map them into
    memory.

    Args:
        test: number of test clips; any split of none is left out.
        frames: the most frames of a clip.
        shortest: the fewest; every number between comes as often.
        size: width and height of the pictures, in pixels.
        carried: share of the clips in which another expression fades at the beginning.
        seed: what the clips are drawn from; no training seed reaches it.
        cache: the folder for the drawn clips; by default ``$FER_CACHE`` or the user's cache folder.

    Raises:
        ValueError: a count is negative or all are zero, the seed is negative, the size or the
            number of frames too small, or the share none.
    """

    train: PositiveInt = 1120
    val: PositiveInt = 210
    test: PositiveInt = 560
    frames: FrameCount = 16
    shortest: Annotated[int, Ge(8), Le(1024)] = SHORTEST
    size: PictureSide = 48
    carried: Share = 0.6
    seed: int = 0
    cache: str | None = None

    def __post_init__(self) -> None:
        check_numbers(self._counts(), "clips", self.size, self.seed)
        if not SHORTEST <= self.shortest <= self.frames:
            raise ValueError(
                f"a clip has {SHORTEST} frames or more, and data.source.shortest of them at least: "
                f"got shortest={self.shortest}, frames={self.frames}"
            )
        if not 0 <= self.carried <= 1:
            raise ValueError(f"carried must be a share from 0 to 1, got {self.carried}")

    def _counts(self) -> dict[str, int]:
        return {"train": self.train, "val": self.val, "test": self.test}

    def class_names(self) -> tuple[str, ...]:
        """Return the seven emotions."""
        return EMOTIONS

    def metadata_columns(self) -> Columns:
        """Return nothing: models read nothing but the clips."""
        return {}

    def load(self) -> Faces:
        """Return the clips: images are uint8 ``[N, T, size, size]``, see :class:`Split`.

        Raises:
            CacheError: the cache folder cannot be written.
        """
        own = {name: value for name, value in asdict(self).items() if name != "cache"}
        recipe = {"renderer": RENDERER_VERSION, "clips": CLIPS_VERSION, **own}
        text = json.dumps(recipe, sort_keys=True)
        entry = Cache(folder_of(self.cache)).get(recipe_key("clips", text), self._drawn)
        splits, first = {}, 0
        for name, count in self._counts().items():
            if count:
                part = {key: entry.arrays[f"{name}-{key}"] for key in _ARRAYS}
                splits[name] = Split(
                    images=part["images"],
                    labels=np.array(part["labels"]),
                    rows=np.arange(first, first + count, dtype=np.int64),
                    metadata={
                        "age": np.array(part["age"]),
                        "gender": np.where(part["male"], "male", "female"),
                        "before": np.array([*EMOTIONS, "none"])[part["before"]],
                    },
                    lengths=np.array(part["lengths"]),
                )
            first += count
        return Faces(
            classes=self.class_names(),
            splits=splits,
            fingerprint=hashlib.sha256(text.encode()).hexdigest(),
            origin=f"synthetic clips drawn from action units (seed {self.seed}, "
            f"{self.shortest} to {self.frames} frames of {self.size}×{self.size} pixels)",
        )

    def recipe(self, split: str, index: int) -> ClipRecipe:
        """Return what clip ``index`` of a split is drawn from."""
        identity, emotion = person_and_emotion(self.seed, split, index)
        rng = np.random.default_rng(seeds(self.seed, split, index, PICTURE))
        length = int(rng.integers(self.shortest, self.frames + 1))
        return ClipRecipe(
            emotion=emotion,
            course=sample_course(rng, emotion, length, carried=self.carried),
            asymmetry=float(np.clip(rng.normal(0.0, 0.1), -0.3, 0.3)),
            identity=identity,
            poses=sample_turn(rng, length),
            light=sample_lamp(rng),
            camera=sample_film_camera(rng),
            noise=seeds(self.seed, split, index, NOISE),
        )

    def _drawn(self, _: Path) -> Entry:
        arrays: dict[str, npt.NDArray[np.generic]] = {}
        total = sum(self._counts().values())
        with tqdm(total=total, desc="drawing", unit=" clips", leave=False, disable=None) as bar:
            for split, count in self._counts().items():
                if not count:
                    continue
                recipes = [self.recipe(split, index) for index in range(count)]
                clips = []
                for one in recipes:
                    clips.append(one.draw(self.size))
                    bar.update()
                images, lengths = pad_clips(clips)
                found: dict[str, npt.NDArray[np.generic]] = {
                    "images": images,
                    "lengths": lengths,
                    "labels": np.array([EMOTIONS.index(r.emotion) for r in recipes], np.int64),
                    "age": np.array([r.identity.age for r in recipes], np.float32),
                    "male": np.array([r.identity.gender == "male" for r in recipes]),
                    "before": np.array([_place(r.course.before) for r in recipes], np.int64),
                }
                arrays |= {f"{split}-{name}": found[name] for name in _ARRAYS}
        return Entry(arrays, {})


_ARRAYS: Final = ("images", "lengths", "labels", "age", "male", "before")


def _place(before: str) -> int:
    return EMOTIONS.index(before) if before else len(EMOTIONS)


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
    return Camera(
        1.0 + scale, right, down, float(rng.uniform(0.0, 0.4)), rng.uniform(*_SENSOR_NOISE)
    )


def _scaled(units: Units, intensity: float) -> Units:
    return {number: value * intensity for number, value in units.items() if intensity > 0}
