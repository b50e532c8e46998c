"""Accuracy under corruption: changed light, turned heads, blur, noise, occlusion, poor pictures.

The protocol is that of Hendrycks & Dietterich (2019, "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations"): kinds of corruption, each in five severities, and the mean
over all of them. Augmentation in training may have shown the weaker ones, small turns above all.
The kinds and strengths are for grey faces of 48 pixels and up. A turned face is a flat picture
turned in space, so nothing hides behind the nose: it is the milder test.

Each kind is a function of a grey picture uint8 ``[H, W]``, the strength of its severity and a
generator, and returns a new picture of the same shape.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from fer.core.errors import UserError

Image = npt.NDArray[np.uint8]
Images = npt.NDArray[np.uint8]
Weights = npt.NDArray[np.float32]

SEVERITIES: Final = (1, 2, 3, 4, 5)
#: Faces corrupted and read at a time: few enough that their copies don't matter.
_CHUNK: Final = 512
#: The side that lengths in pixels are meant for: FER2013's.
SIDE = 48
#: How far the camera is from a face that is turned, in sides of the face.
_DISTANCE = 2.0
#: Shapes are painted this many times larger, so that they grow smoothly.
_FINER = 8


def _gamma(image: Image, exponent: float, _rng: np.random.Generator) -> Image:
    """Raise the share of white to a power: above 1 darkens, below 1 brightens."""
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return table[image]


def _side_light(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Multiply by a ramp from ``1 - strength`` to ``1 + strength``, within 30° of horizontal."""
    turn = rng.uniform(-math.pi / 6, math.pi / 6) + math.pi * rng.integers(2)
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij")
    along = x * math.cos(turn) + y * math.sin(turn)
    return _grey(image * (1 + strength * along / np.abs(along).max()))


def _rotation(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Turn the picture in its plane, either way."""
    angle = math.radians(degrees) * _either(rng)
    c, s = math.cos(angle), math.sin(angle)
    return _seen(image, np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]))


def _yaw(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Turn the picture about its vertical axis, either way, as a flat thing in space."""
    angle = math.radians(degrees) * _either(rng)
    c, s = math.cos(angle), math.sin(angle)
    return _seen(image, np.array([[c, 0.0, 0.0], [0.0, 1.0, 0.0], [-s / _DISTANCE, 0.0, 1.0]]))


def _pitch(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Turn the picture about its horizontal axis, either way, as a flat thing in space."""
    angle = math.radians(degrees) * _either(rng)
    c, s = math.cos(angle), math.sin(angle)
    return _seen(image, np.array([[1.0, 0.0, 0.0], [0.0, c, 0.0], [0.0, -s / _DISTANCE, 1.0]]))


def _defocus(image: Image, radius: float, _rng: np.random.Generator) -> Image:
    """Average over a disk, whose radius is in pixels of a face of :data:`SIDE` pixels."""
    radius *= image.shape[0] / SIDE
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return _filtered(image, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def _motion(image: Image, length: float, rng: np.random.Generator) -> Image:
    """Average along a line of any direction, whose length is in pixels of such a face."""
    length *= image.shape[0] / SIDE
    turn = rng.uniform(0, math.pi)
    along = np.linspace(-length / 2, length / 2, 16 * math.ceil(length))
    reach = math.ceil(length / 2) + 1
    x, y = (along * f(turn) + reach for f in (math.cos, math.sin))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    # Each point of the line is shared by the four pixels around it.
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    for dy in (0, 1):
        for dx in (0, 1):
            share = (1 - np.abs(x - left - dx)) * (1 - np.abs(y - top - dy))
            np.add.at(kernel, (top + dy, left + dx), share)
    return _filtered(image, kernel)


def _noise(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """Add normal noise of a standard deviation in grey levels to every pixel."""
    return _grey(image + deviation * rng.standard_normal(image.shape))


def _glasses(image: Image, height: float, rng: np.random.Generator) -> Image:
    """Put dark glasses on, whose lenses are so high, in sides of the face."""
    x, y = rng.uniform(-0.03, 0.03, 2)
    cover = _canvas(image)
    side = cover.shape[0]
    line = round((0.38 + y) * side)
    lens = (round(0.62 * height * side), round(0.5 * height * side))
    for centre in (0.3, 0.7):
        cv2.ellipse(cover, (round((centre + x) * side), line), lens, 0, 0, 360, 1.0, -1)
    cv2.line(cover, (0, line), (side, line), 1.0, max(1, round(0.12 * height * side)))
    return _covered(image, cover, 25.0)


def _mask(image: Image, share: float, rng: np.random.Generator) -> Image:
    """Put a light mask over the lower ``share`` of the face."""
    x, y = rng.uniform(-0.02, 0.02, 2)
    top = 1 - share + y
    corners = [(0.06, top + 0.07), (0.5, top), (0.94, top + 0.07), (0.86, 1.05), (0.14, 1.05)]
    cover = _canvas(image)
    points = np.array([[(px + x) * cover.shape[1], py * cover.shape[0]] for px, py in corners])
    cv2.fillPoly(cover, [np.rint(points).astype(np.int32)], 1.0)
    return _covered(image, cover, 205.0)


def _hand(image: Image, share: float, rng: np.random.Generator) -> Image:
    """Hold a hand, an ellipse of the face's own grey, before this share of it."""
    cover = _canvas(image)
    side = cover.shape[0]
    # pi a b = share of the square, with a = 1.5 b.
    short = math.sqrt(share / (1.5 * math.pi))
    axes = (round(1.5 * short * side), round(short * side))
    # So that it lies within the picture as far as it fits.
    free = max(0.0, 0.5 - 1.2 * short)
    x, y = (round((0.5 + rng.uniform(-free, free)) * side) for _ in range(2))
    turn = rng.uniform(0, 180)
    cv2.ellipse(cover, (x, y), axes, turn, 0, 360, 1.0, -1)
    grey = float(np.median(image)) + rng.uniform(-25, 25)
    return _covered(image, cover, min(max(grey, 30.0), 225.0))


def _jpeg(image: Image, quality: float, _rng: np.random.Generator) -> Image:
    """Pack as JPEG of this quality, 0 to 100, and unpack."""
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    # Never None: OpenCV has just packed it.
    return cast("Image", cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE))


def _low_resolution(image: Image, side: float, _rng: np.random.Generator) -> Image:
    """Scale the longer side to so many pixels, whatever it was, and back."""
    height, width = image.shape
    scale = min(1.0, side / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    coarse = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return _grey(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def _either(rng: np.random.Generator) -> int:
    return 1 if rng.integers(2) else -1


def _grey(values: npt.NDArray[np.generic]) -> Image:
    grey: Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return grey


def _filtered(image: Image, kernel: npt.NDArray[np.float64]) -> Image:
    kernel = kernel / kernel.sum()
    return _grey(cv2.filter2D(image, cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE))


def _seen(image: Image, turn: npt.NDArray[np.float64]) -> Image:
    """Apply a homography whose unit is the side of the face and whose origin is its centre."""
    height, width = image.shape
    side = max(height, width)
    pixels = np.array([[side, 0, (width - 1) / 2], [0, side, (height - 1) / 2], [0, 0, 1.0]])
    matrix = pixels @ turn @ np.linalg.inv(pixels)
    return _grey(
        cv2.warpPerspective(
            image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    )


def _canvas(image: Image) -> Weights:
    return np.zeros([_FINER * n for n in image.shape], dtype=np.float32)


def _covered(image: Image, cover: Weights, grey: float) -> Image:
    """Blend a grey in where the cover, painted finer, is one."""
    share = cv2.resize(cover, image.shape[::-1], interpolation=cv2.INTER_AREA)
    return _grey(image + share * (grey - image.astype(np.float32)))


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
    """One kind of corruption: the ``values`` for severity 1 to 5 are of the named ``strength``."""

    family: str
    strength: str
    values: tuple[float, float, float, float, float]
    apply: Callable[[Images, float, np.random.Generator], Images]


_PIXELS: Final = "pixels of 48"

#: Every kind by its name; the strengths by severity are this table.
KINDS: Final[Mapping[str, Kind]] = {
    "dark": Kind("light", "exponent", (1.3, 1.7, 2.2, 2.9, 3.8), _gamma),
    "bright": Kind("light", "exponent", (0.75, 0.58, 0.44, 0.33, 0.23), _gamma),
    "side_light": Kind("light", "slope", (0.25, 0.45, 0.65, 0.85, 1.0), _side_light),
    "rotation": Kind("head angle", "degrees", (8, 16, 24, 32, 42), _rotation),
    "yaw": Kind("head angle", "degrees", (12, 22, 32, 42, 52), _yaw),
    "pitch": Kind("head angle", "degrees", (12, 22, 32, 42, 52), _pitch),
    "defocus": Kind("blur", f"radius, {_PIXELS}", (0.9, 1.4, 2.0, 2.7, 3.6), _defocus),
    "motion": Kind("blur", f"length, {_PIXELS}", (3, 5, 7, 10, 14), _motion),
    "noise": Kind("noise", "standard deviation, of 255", (8, 14, 22, 33, 48), _noise),
    "glasses": Kind("occlusion", "height of lenses", (0.1, 0.16, 0.22, 0.28, 0.35), _glasses),
    "mask": Kind("occlusion", "share of height", (0.16, 0.25, 0.34, 0.43, 0.52), _mask),
    "hand": Kind("occlusion", "share of area", (0.04, 0.09, 0.16, 0.24, 0.34), _hand),
    "jpeg": Kind("picture", "quality", (40, 25, 15, 9, 5), _jpeg),
    "low_resolution": Kind("picture", "side, pixels", (32, 24, 18, 13, 9), _low_resolution),
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
        seed: of the draws, at least 0.
        indices: of the faces, at least 0; by default 0 to N - 1.

    Raises:
        UserError: there is no such kind or severity, or the faces are no such array.
    """
    _check_images(images)
    _check_kinds([kind])
    if severity not in SEVERITIES:
        raise UserError(
            f"there is no severity {severity!r} of {kind}; there are 1 to 5",
            code="no_such_severity",
        )
    if seed < 0:
        raise UserError(f"seed must be at least 0, not {seed}", code="seed_out_of_range")
    numbers = range(len(images)) if indices is None else [int(i) for i in indices]
    if len(numbers) != len(images):
        raise UserError(f"{len(images)} faces, but {len(numbers)} indices", code="shapes_differ")
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


def measure_robustness(
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
        images: uint8 ``[N, H, W]``, or clips ``[N, T, H, W]``.
        labels: int ``[N]``, positions in the model's classes.
        metadata: float32 ``[N, F]``, if the network reads it, or lengths of clips; not corrupted.
        kinds: some of :data:`KINDS`; all of them by default.
        at_most: so many faces, spread evenly, with the same corruptions as among all; None: all.

    Returns:
        ``n``, ``seed``, ``clean`` (accuracy on the faces as they are), ``kinds`` (by name:
        ``family``, ``strength``, ``values``, ``accuracy`` of severity 1 to 5, their ``mean``),
        ``mean`` over the kinds, and ``ratio`` of that to ``clean`` (None where that is zero).

    Raises:
        UserError: no faces, other labels than the model has classes, or no such kind.
    """
    _check_images(images)
    names = list(KINDS) if kinds is None else list(kinds)
    _check_kinds(names)
    n = len(images)
    if n == 0 or len(labels) != n:
        raise UserError(
            f"robustness needs faces and a label for each, not {n} and {len(labels)}",
            code="shapes_differ",
        )
    if labels.min() < 0 or labels.max() >= len(model.classes):
        raise UserError(
            f"labels from {labels.min()} to {labels.max()}, but the model has "
            f"{len(model.classes)} classes",
            code="label_out_of_range",
        )

    chosen = np.arange(n)
    if at_most is not None and at_most < n:
        chosen = np.arange(at_most) * n // at_most
        images, labels = images[chosen], labels[chosen]
        metadata = None if metadata is None else metadata[chosen]
        n = at_most

    def accuracy(kind: str | None, severity: int) -> float:
        right = 0
        for start in range(0, n, _CHUNK):
            part = slice(start, start + _CHUNK)
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


def _check_images(images: Images) -> None:
    if images.ndim not in (3, 4) or images.dtype != np.uint8:
        raise UserError(
            "faces must be uint8 [N, H, W], or clips [N, T, H, W], not "
            f"{images.dtype} {list(images.shape)}",
            code="not_faces",
        )


def _check_kinds(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in KINDS]
    if unknown or not names:
        what = f"no corruption {unknown[0]!r}" if unknown else "no corruption was named"
        raise UserError(f"there is {what}; there are {', '.join(KINDS)}", code="no_such_corruption")
