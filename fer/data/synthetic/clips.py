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
from fer.data.cache import Cache, Entry, folder_of, recipe_key
from fer.data.source import SPLITS, Faces, Split
from fer.data.synthetic.clip_sampling import (
    Course,
    sample_course,
    sample_film_camera,
    sample_lamp,
    sample_turn,
)
from fer.data.synthetic.drawing import SMALLEST, draw_face
from fer.data.synthetic.faces import RENDERER_VERSION
from fer.data.synthetic.sampling import sample_identity
from fer.data.synthetic.scene import Camera, Identity, Light, Pose
from fer.ranges import FrameCount, PictureSide, PositiveInt, Share

#: Counts up whenever the same arguments come to give other clips.
CLIPS_VERSION: Final = 1

#: Fewer frames leave no room for two expressions.
SHORTEST: Final = 8

_CLIP, _PERSON, _NOISE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class ClipRecipe:
    """Everything one clip is drawn from.

    Attributes:
        emotion: the label, one of :data:`fer.core.labels.EMOTIONS`.
        course: what the face does, frame by frame.
        asymmetry: see :func:`fer.data.synthetic.draw_face`.
        identity: the person.
        poses: how the head is turned, frame by frame.
        light: the light.
        camera: the crop and the sensor.
        noise: where the sensor noise starts from.
    """

    emotion: str
    course: Course
    asymmetry: float
    identity: Identity
    poses: tuple[Pose, ...]
    light: Light
    camera: Camera
    noise: np.random.SeedSequence

    def draw(self, size: PictureSide = 48) -> npt.NDArray[np.uint8]:
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
        train: number of training clips.
        val: number of validation clips.
        test: number of test clips. A split of none is left out.
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
        counts = self._counts()
        if min(counts.values()) < 0 or not any(counts.values()):
            raise ValueError(f"numbers of clips must be >= 0 and not all zero, got {counts}")
        if self.size < SMALLEST:
            raise ValueError(f"size must be at least {SMALLEST} pixels, got {self.size}")
        if self.seed < 0:
            raise ValueError(f"seed must be >= 0, got {self.seed}")
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
        """Return nothing: there is nothing for a model to read beside the clips."""
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
        """Return what clip ``index`` of a split is drawn from.

        Raises:
            ValueError: there is no such split, or the index is negative.
        """
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}; there are {', '.join(SPLITS)}")
        if index < 0:
            raise ValueError(f"index must be >= 0, got {index}")
        person, turn = divmod(index, len(EMOTIONS))
        people = np.random.default_rng(self._seeds(split, person, _PERSON))
        identity = sample_identity(people)
        emotion = EMOTIONS[people.permutation(len(EMOTIONS))[turn]]
        rng = np.random.default_rng(self._seeds(split, index, _CLIP))
        length = int(rng.integers(self.shortest, self.frames + 1))
        return ClipRecipe(
            emotion=emotion,
            course=sample_course(rng, emotion, length, carried=self.carried),
            asymmetry=float(np.clip(rng.normal(0.0, 0.1), -0.3, 0.3)),
            identity=identity,
            poses=sample_turn(rng, length),
            light=sample_lamp(rng),
            camera=sample_film_camera(rng),
            noise=self._seeds(split, index, _NOISE),
        )

    def _seeds(self, split: str, number: int, stream: int) -> np.random.SeedSequence:
        return np.random.SeedSequence((self.seed, SPLITS.index(split), number), spawn_key=(stream,))

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
