"""Faces whose emotions a test decides, without pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fer.core.labels import EMOTIONS
from fer.inference import UNCERTAIN, Face
from fer.live import TrackedFace
from fer.live.aggregation import Aggregator, Cohort, Measures, Window


def reading(label: str, classes: Sequence[str] = EMOTIONS, sure: float = 1.0) -> Face:
    """Return a face that shows one emotion; an uncertain one shows none."""
    chances = np.full(len(classes), (1 - sure) / (len(classes) - 1), dtype=np.float32)
    chances[0 if label == UNCERTAIN else list(classes).index(label)] = sure
    return Face((10, 10, 40, 40), 0.9, label, chances)


def tracked(shown: Mapping[str, str], classes: Sequence[str] = EMOTIONS) -> list[TrackedFace]:
    """Return faces by the names of their tracks."""
    return [TrackedFace(name, reading(label, classes)) for name, label in shown.items()]


def told(
    frames: Iterable[Mapping[str, str]],
    *,
    least: int = 5,
    classes: Sequence[str] = EMOTIONS,
    index: str | None = None,
    patience: int = 2,
    cohort: Cohort | None = None,
) -> list[Window]:
    """Return what is told of frames that are one window each: track and label of each face.

    Args:
        frames: of one second each.
        least: the group minimum.
        classes: of the model.
        index: that is told too.
        patience: for how many frames a track outlives its face.
        cohort: in place of a new one.
    """
    aggregator = Aggregator(Measures(classes, index), seconds=1.0, cohort=cohort or Cohort(least))
    windows, seen = [], {}
    for number, shown in enumerate(frames):
        seen |= dict.fromkeys(shown, number)
        alive = {name for name, last in seen.items() if number - last <= patience}
        window = aggregator.add(number + 0.5, tracked(shown, classes), alive)
        windows.append(window)
    windows.append(aggregator.close())
    return [one for one in windows if one is not None]
