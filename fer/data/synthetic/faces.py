"""The built-in data source: faces drawn from facial action units.

It needs no download and holds nobody's picture. What makes a class hard is what makes it hard on
real faces: emotions share action units (fear and surprise, sad and disgust, fear and anger), and
a faint expression lies near the neutral face. No label is wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np

from fer.core.labels import EMOTIONS
from fer.core.metadata import Columns
from fer.core.ranges import PictureSide, PositiveInt
from fer.data.source import SPLITS, Faces, Split
from fer.data.synthetic.action_units import PROTOTYPES
from fer.data.synthetic.drawing import SMALLEST, Image, draw_face
from fer.data.synthetic.scene import (
    CONTEXTS,
    Camera,
    Identity,
    Light,
    Pose,
    sample_camera,
    sample_context,
    sample_identity,
    sample_light,
    sample_pose,
    sample_units,
)

#: Counts up whenever the same arguments come to give other pixels.
RENDERER_VERSION: Final = 1

#: What a generator's stream is for; without it a person's would be that of some picture.
PICTURE, PERSON, NOISE = 0, 1, 2


def seeds(seed: int, split: str, number: int, use: int) -> np.random.SeedSequence:
    """Return what one use of a picture or person is drawn from."""
    return np.random.SeedSequence((seed, SPLITS.index(split), number), spawn_key=(use,))


def person_and_emotion(seed: int, split: str, index: int) -> tuple[Identity, str]:
    """Return who is seen and what they show: each person in turn, each of their seven emotions.

    Raises:
        ValueError: there is no such split, or the index is negative.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; there are {', '.join(SPLITS)}")
    if index < 0:
        raise ValueError(f"index must be >= 0, got {index}")
    person, turn = divmod(index, len(EMOTIONS))
    rng = np.random.default_rng(seeds(seed, split, person, PERSON))
    identity = sample_identity(rng)
    return identity, EMOTIONS[rng.permutation(len(EMOTIONS))[turn]]


def check_numbers(counts: Mapping[str, int], what: str, size: int, seed: int) -> None:
    """Check what faces and clips have in common.

    Raises:
        ValueError: a count or the seed is negative, all counts are zero, or the size is too small.
    """
    if min(counts.values()) < 0 or not any(counts.values()):
        raise ValueError(f"numbers of {what} must be >= 0 and not all zero, got {dict(counts)}")
    if size < SMALLEST:
        raise ValueError(f"size must be at least {SMALLEST} pixels, got {size}")
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything one picture is drawn from."""

    emotion: str  #: what the face shows, one of :data:`fer.core.labels.EMOTIONS`
    units: Mapping[int, float]  #: intensity in [0, 1] by FACS number, of the units that are present
    asymmetry: float  #: see :func:`draw_face`
    identity: Identity  #: the person
    pose: Pose  #: how the head is turned
    light: Light  #: the light
    camera: Camera  #: the crop and the sensor
    context: str  #: where the picture is said to have been taken, one of :data:`CONTEXTS`
    noise: np.random.SeedSequence  #: where the sensor noise starts from

    def draw(self, size: PictureSide = 48) -> Image:
        """Return the picture, uint8 ``[size, size]``; the same one every time.

        Raises:
            ValueError: the size is too small.
        """
        return draw_face(
            self.units,
            self.identity,
            self.pose,
            self.light,
            self.camera,
            asymmetry=self.asymmetry,
            size=size,
            rng=np.random.default_rng(self.noise) if self.camera.noise > 0 else None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SyntheticFaces:
    """Faces drawn from facial action units (:data:`fer.data.synthetic.action_units.PROTOTYPES`).

    Every person is pictured seven times in a row, once for each emotion in an order of their own,
    so the classes are balanced to within one face a person; no person is in two splits. Picture
    ``i`` of a split depends on ``seed``, ``size`` and the knobs, not on how many there are.

    The metadata are ``age`` (float32, years) and ``gender`` (``"female"``, ``"male"``), which say
    nothing about the label, since everybody shows everything; and ``context`` (one of
    :data:`CONTEXTS`), which says a little: smiles are more frequent in group work, fear in exams.

    Args:
        train: number of training faces.
        val: number of validation faces.
        test: number of test faces. A split of none is left out.
        size: width and height of the pictures, in pixels.
        seed: what the faces are drawn from; no training seed reaches it.
        noise_free: every face frontal, centred, evenly lit, clean and without glasses, and every
            expression symmetric, its prototype complete and at full intensity whatever the bounds
            say; only people differ.
        min_intensity: intensity of the faintest expression, in (0, 1].
        max_intensity: intensity of the strongest expression, in (0, 1].

    Raises:
        ValueError: a count is negative or all are zero, the seed is negative, the size too small,
            or an intensity out of range.

    Example:
        >>> faces = SyntheticFaces(train=7, val=0, test=0).load()
        >>> faces.splits["train"].images.shape
        (7, 48, 48)
    """

    train: PositiveInt = 4000
    val: PositiveInt = 700
    test: PositiveInt = 1400
    size: PictureSide = 48
    seed: int = 0
    noise_free: bool = False
    min_intensity: float = 0.25
    max_intensity: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(self._counts(), "faces", self.size, self.seed)
        if not 0.0 < self.min_intensity <= self.max_intensity <= 1.0:
            raise ValueError(
                "intensities must satisfy 0 < min_intensity <= max_intensity <= 1, got "
                f"min_intensity={self.min_intensity}, max_intensity={self.max_intensity}"
            )

    def _counts(self) -> dict[str, int]:
        return {"train": self.train, "val": self.val, "test": self.test}

    def class_names(self) -> tuple[str, ...]:
        """Return the seven emotions."""
        return EMOTIONS

    def metadata_columns(self) -> Columns:
        """Return the description of age, gender and context."""
        # People are aged 17 to 67, every age as often.
        return {
            "age": {"mean": 42.0, "std": 14.4},
            "gender": {"values": ["female", "male"]},
            "context": {"values": sorted(CONTEXTS)},
        }

    def load(self) -> Faces:
        """Draw the faces, about a millisecond each."""
        splits, first = {}, 0
        for split, count in self._counts().items():
            if count:
                splits[split] = self._split(split, count, first)
            first += count
        recipe = {"renderer": RENDERER_VERSION, **asdict(self)}
        # In words what differs from run to run; the rest has its defaults as a rule.
        plain = asdict(SyntheticFaces())
        told = [f"seed {self.seed}", f"{self.size}×{self.size} pixels"]
        told += [
            f"{name} {value}"
            for name, value in asdict(self).items()
            if name not in ("seed", "size") and value != plain[name]
        ]
        return Faces(
            classes=self.class_names(),
            splits=splits,
            fingerprint=hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest(),
            origin=f"synthetic faces drawn from action units ({', '.join(told)})",
        )

    def recipe(self, split: str, index: int) -> Recipe:
        """Return what picture ``index`` of a split is drawn from.

        Raises:
            ValueError: there is no such split, or the index is negative.
        """
        identity, emotion = person_and_emotion(self.seed, split, index)
        rng = np.random.default_rng(seeds(self.seed, split, index, PICTURE))
        context = sample_context(rng, emotion)
        noise = seeds(self.seed, split, index, NOISE)
        if self.noise_free:
            units = dict.fromkeys(sorted(PROTOTYPES[emotion].units), 1.0)
            identity = replace(identity, glasses=False)
            plain = Pose(), Light(), Camera()
            return Recipe(emotion, units, 0.0, identity, *plain, context, noise)
        return Recipe(
            emotion=emotion,
            units=sample_units(rng, emotion, self.min_intensity, self.max_intensity),
            asymmetry=float(np.clip(rng.normal(0.0, 0.15), -0.5, 0.5)),
            identity=identity,
            pose=sample_pose(rng),
            light=sample_light(rng),
            camera=sample_camera(rng),
            context=context,
            noise=noise,
        )

    def _split(self, split: str, count: int, first: int) -> Split:
        images = np.empty((count, self.size, self.size), dtype=np.uint8)
        recipes = [self.recipe(split, index) for index in range(count)]
        for image, recipe in zip(images, recipes, strict=True):
            image[:] = recipe.draw(self.size)
        return Split(
            images=images,
            labels=np.array([EMOTIONS.index(r.emotion) for r in recipes], dtype=np.int64),
            rows=np.arange(first, first + count, dtype=np.int64),
            metadata={
                "age": np.array([r.identity.age for r in recipes], dtype=np.float32),
                "gender": np.array([r.identity.gender for r in recipes]),
                "context": np.array([r.context for r in recipes]),
            },
        )
