"""How much accuracy is left when the light shifts, the head turns, or the picture is poor.

The protocol is that of Hendrycks & Dietterich (2019, "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations"): kinds of corruption, each in five severities, and the mean
over all of them. Augmentation in training may have shown the weaker ones, small turns above all.
The kinds and strengths are for grey faces of 48 pixels and up. A face that is turned here is a flat
picture turned in space, so nothing hides behind the nose: it is the milder test.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from fer.core.errors import UserError
from fer.evaluation import _corruptions as apply

Images = npt.NDArray[np.uint8]

SEVERITIES: Final = (1, 2, 3, 4, 5)

#: Faces corrupted and read at a time: few enough that their copies don't matter.
_CHUNK: Final = 512


class Classifier(Protocol):
    """A network that answers with logits."""

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes."""

    def logits(
        self, images: Images, metadata: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return float32 ``[N, C]`` of uint8 faces ``[N, H, W]``."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of corruption.

    Attributes:
        family: what it belongs to, for people to read.
        strength: what the numbers of :attr:`values` are.
        values: the strength of severity 1 to 5.
        apply: the function.
    """

    family: str
    strength: str
    values: tuple[float, float, float, float, float]
    apply: Callable[[Images, float, np.random.Generator], Images]


_PIXELS: Final = "pixels of 48"

#: Every kind by its name; the strengths by severity are this table.
KINDS: Final[Mapping[str, Kind]] = {
    "dark": Kind("light", "exponent", (1.3, 1.7, 2.2, 2.9, 3.8), apply.gamma),
    "bright": Kind("light", "exponent", (0.75, 0.58, 0.44, 0.33, 0.23), apply.gamma),
    "side_light": Kind("light", "slope", (0.25, 0.45, 0.65, 0.85, 1.0), apply.side_light),
    "rotation": Kind("head angle", "degrees", (8, 16, 24, 32, 42), apply.rotation),
    "yaw": Kind("head angle", "degrees", (12, 22, 32, 42, 52), apply.yaw),
    "pitch": Kind("head angle", "degrees", (12, 22, 32, 42, 52), apply.pitch),
    "defocus": Kind("blur", f"radius, {_PIXELS}", (0.9, 1.4, 2.0, 2.7, 3.6), apply.defocus),
    "motion": Kind("blur", f"length, {_PIXELS}", (3, 5, 7, 10, 14), apply.motion),
    "noise": Kind("noise", "standard deviation, of 255", (8, 14, 22, 33, 48), apply.noise),
    "glasses": Kind("occlusion", "height of lenses", (0.1, 0.16, 0.22, 0.28, 0.35), apply.glasses),
    "mask": Kind("occlusion", "share of height", (0.16, 0.25, 0.34, 0.43, 0.52), apply.mask),
    "hand": Kind("occlusion", "share of area", (0.04, 0.09, 0.16, 0.24, 0.34), apply.hand),
    "jpeg": Kind("picture", "quality", (40, 25, 15, 9, 5), apply.jpeg),
    "low_resolution": Kind("picture", "side, pixels", (32, 24, 18, 13, 9), apply.low_resolution),
}


def corrupt(
    images: Images,
    kind: str,
    severity: int,
    *,
    seed: int = 0,
    indices: Sequence[int] | npt.NDArray[np.integer] | None = None,
) -> Images:
    """Return corrupted copies of faces.

    What is drawn depends on seed, kind, severity and the face's index, and on nothing else: any
    part of a data set, in any order, gives the same pictures.

    Args:
        images: uint8 ``[N, H, W]``, or clips ``[N, T, H, W]``, whose frames change alike but for
            noise.
        kind: one of :data:`KINDS`.
        severity: 1 to 5.
        seed: of the draws, at least 0.
        indices: of the faces, at least 0; by default 0 to N - 1.

    Returns:
        uint8 of the same shape.

    Raises:
        UserError: there is no such kind or severity, or the faces are no such array.
    """
    _check_images(images)
    _check_kinds([kind])
    if severity not in SEVERITIES:
        raise UserError(f"there is no severity {severity!r} of {kind}; there are 1 to 5")
    if seed < 0:
        raise UserError(f"the seed of the corruptions must be at least 0, not {seed}")
    numbers = range(len(images)) if indices is None else [int(i) for i in indices]
    if len(numbers) != len(images):
        raise UserError(f"{len(images)} faces, but {len(numbers)} indices of them")
    name, chosen = zlib.crc32(kind.encode()), KINDS[kind]
    value = chosen.values[severity - 1]
    corrupted = np.empty_like(images)
    for target, image, number in zip(corrupted, images, numbers, strict=True):
        drawn = (seed, name, severity, number)
        if image.ndim == 2:
            target[:] = chosen.apply(image, value, np.random.default_rng(drawn))
            continue
        for step, frame in enumerate(image):
            own = (*drawn, step) if chosen.family == "noise" else drawn
            target[step] = chosen.apply(frame, value, np.random.default_rng(own))
    return corrupted


def measure(
    model: Classifier,
    images: Images,
    labels: npt.NDArray[np.integer],
    *,
    metadata: npt.NDArray[np.float32] | None = None,
    seed: int = 0,
    kinds: Sequence[str] | None = None,
    at_most: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Measure a network's accuracy under each kind and severity.

    Args:
        model: what answers.
        images: uint8 ``[N, H, W]``, or clips ``[N, T, H, W]``.
        labels: int ``[N]``, positions in the model's classes.
        metadata: float32 ``[N, F]``, for a network that reads it, or the lengths of clips; never
            corrupted.
        seed: of the corruptions.
        kinds: some of :data:`KINDS`; all of them by default.
        at_most: so many faces, spread evenly over those there are, with the corruptions that they
            have among all; None: all of them.
        progress: show a bar on stderr.

    Returns:
        Plain containers: ``n``, ``seed``, ``clean`` (accuracy on the faces as they are), ``kinds``
        (by name: ``family``, ``strength``, ``values``, ``accuracy`` of severity 1 to 5, their
        ``mean``), ``mean`` over the kinds, and ``ratio`` of that to ``clean`` (``None`` where that
        is zero).

    Raises:
        UserError: no faces, other labels than the model has classes, or no such kind.
    """
    _check_images(images)
    names = list(KINDS) if kinds is None else list(kinds)
    _check_kinds(names)
    n = len(images)
    if n == 0 or len(labels) != n:
        raise UserError(f"robustness needs faces with a label each, not {n} and {len(labels)}")
    if labels.min() < 0 or labels.max() >= len(model.classes):
        raise UserError(
            f"labels from {labels.min()} to {labels.max()}, but the model has "
            f"{len(model.classes)} classes"
        )

    chosen = np.arange(n)
    if at_most is not None and at_most < n:
        chosen = np.arange(at_most) * n // at_most
        images, labels = images[chosen], labels[chosen]
        metadata = None if metadata is None else metadata[chosen]
        n = at_most

    def accuracy(kind: str | None, severity: int) -> float:
        right = 0
        for part in _parts(n):
            some = images[part]
            if kind is not None:
                some = corrupt(some, kind, severity, seed=seed, indices=chosen[part])
            known = None if metadata is None else metadata[part]
            answers = model.logits(some, known).argmax(axis=1)
            right += int((answers == labels[part]).sum())
            bar.update(len(some))
        return right / n

    passes = 1 + len(names) * len(SEVERITIES)
    with tqdm(
        total=n * passes, desc="robustness", unit=" faces", disable=not progress, leave=False
    ) as bar:
        clean = accuracy(None, 0)
        measured = {}
        for name in names:
            kind = KINDS[name]
            scores = [accuracy(name, severity) for severity in SEVERITIES]
            measured[name] = {
                "family": kind.family,
                "strength": kind.strength,
                "values": list(kind.values),
                "accuracy": scores,
                "mean": float(np.mean(scores)),
            }
    mean = float(np.mean([one["mean"] for one in measured.values()]))
    return {
        "n": n,
        "seed": seed,
        "clean": clean,
        "kinds": measured,
        "mean": mean,
        "ratio": mean / clean if clean > 0 else None,
    }


def _parts(n: int) -> Iterator[slice]:
    return (slice(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK))


def _check_images(images: Images) -> None:
    if images.ndim not in (3, 4) or images.dtype != np.uint8:
        raise UserError(
            "faces must be uint8 [N, H, W], or clips [N, T, H, W], not "
            f"{images.dtype} {list(images.shape)}"
        )


def _check_kinds(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in KINDS]
    if unknown or not names:
        what = f"no corruption {unknown[0]!r}" if unknown else "no corruption was named"
        raise UserError(f"there is {what}; there are {', '.join(KINDS)}")
