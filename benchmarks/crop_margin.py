"""How much around a detector's box a crop should take, measured on faces of known place and label.

Run with ``FER_DATA_ROOT=FOLDER python -m benchmarks.crop_margin MODEL [--frames N]``. FER2013's
PublicTest faces are pasted into frames at several sizes, found by the detector, cropped by each
margin and classified. A good margin gives each face the label of its bare picture (*same*), and
its true label as often (*correct*; *bare* is that of the same faces without detection). The
second table is of several squares whose answers are averaged, as those of
:data:`fer.inference.crops.MARGINS` are. The last one says what small faces cost, by which the
smallest that is read is chosen.

PublicTest is the split to choose on; PrivateTest is not read.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

import fer
from benchmarks.pasted import Frame, Pixels, frames, public_test
from fer.inference.crops import square_crop
from fer.inference.detection import Detection, make_detector

#: Margins of squares whose answers are averaged, and how far they lie below the box.
_SEVERAL: tuple[tuple[tuple[float, ...], float], ...] = (
    ((0.0,), 0.03),
    ((-0.1, 0.03), 0.0),
    ((-0.1, 0.03), 0.03),
    ((-0.06, 0.06), 0.03),
    ((-0.1, -0.03, 0.03), 0.03),
)
_MARGINS = (-0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)


@dataclass(frozen=True)
class Found:
    """A pasted face that was found: its crops by margin, those of several, and its number."""

    crops: list[Pixels]
    several: list[list[Pixels]]
    face: int


def matches(frame: Frame, found: list[Detection]) -> tuple[dict[int, Detection], int]:
    """Return which pasted face each detection is, and how many are none."""
    of: dict[int, Detection] = {}
    for one in found:
        x, y, w, h = one.box
        middle = x + w / 2, y + h / 2
        inside = [
            place
            for place, (left, top, side) in enumerate(frame.tiles.tolist())
            if left <= middle[0] < left + side and top <= middle[1] < top + side
        ]
        if inside and inside[0] not in of:
            of[inside[0]] = one
    return of, len(found) - len(of)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="an exported model")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--detector", default="default")
    parser.add_argument("--min-score", type=float)
    options = parser.parse_args()
    data = public_test()
    if data is None:
        return 2
    faces, labels = data
    recognizer = fer.load(options.model, threads=1)
    detector = make_detector(options.detector, min_score=options.min_score)
    found: list[Found] = []
    there = false = 0
    for frame in frames(faces, options.frames, each=20, sides=(40, 240)):
        of, none = matches(frame, detector.detect(frame.image))
        there, false = there + len(frame.faces), false + none
        for place, one in of.items():
            crops = [square_crop(frame.image, one.box, margin) for margin in _MARGINS]
            several = [
                [square_crop(frame.image, one.box, margin, drop=drop) for margin in margins]
                for margins, drop in _SEVERAL
            ]
            found.append(Found(crops, several, int(frame.faces[place])))
    if not found:
        print(f"none of {there} faces was found", file=sys.stderr)
        return 1
    rows = np.array([one.face for one in found])
    bare = answers(recognizer.classify(faces[rows]))
    print(f"{len(found)} of {there} faces found, {false} false, in {options.frames} frames")
    print(f"bare: {100 * np.mean(bare == labels[rows]):.1f} % correct\n")
    print(f"{'margin':>7}{'same %':>9}{'correct %':>11}")
    for place, margin in enumerate(_MARGINS):
        got = answers(recognizer.classify([one.crops[place] for one in found]))
        same, correct = np.mean(got == bare), np.mean(got == labels[rows])
        print(f"{margin:>7.2f}{100 * same:>9.1f}{100 * correct:>11.1f}")
    print(f"\n{'margins, averaged':<20}{'below':>7}{'same %':>9}{'correct %':>11}")
    for place, (margins, drop) in enumerate(_SEVERAL):
        squares = [square for one in found for square in one.several[place]]
        told = recognizer.classify(squares).probabilities
        got = told.reshape(len(found), len(margins), -1).mean(axis=1).argmax(axis=1)
        same, correct = np.mean(got == bare), np.mean(got == labels[rows])
        names = ", ".join(f"{margin:+g}" for margin in margins)
        print(f"{names:<20}{drop:>7.2f}{100 * same:>9.1f}{100 * correct:>11.1f}")
    by_resolution(recognizer, faces[:1000], labels[:1000])
    return 0


def by_resolution(recognizer: fer.Recognizer, faces: Pixels, labels: npt.NDArray[np.int64]) -> None:
    """Print how well bare faces are read that were scaled down to some pixels."""
    bare = answers(recognizer.classify(faces))
    print(f"\n{'pixels':>7}{'same %':>9}{'correct %':>11}")
    for side in (12, 16, 20, 24, 28, 32, 40, 48):
        small = [cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for face in faces]
        got = answers(recognizer.classify([one.astype(np.uint8) for one in small]))
        same, correct = np.mean(got == bare), np.mean(got == labels)
        print(f"{side:>7}{100 * same:>9.1f}{100 * correct:>11.1f}")


def answers(prediction: Any) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = prediction.probabilities.argmax(axis=1)
    return found


if __name__ == "__main__":
    sys.exit(main())
