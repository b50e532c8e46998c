"""How many notices of shifts an hour come where nothing changes, and how soon a real one is told.

Run with ``python -m benchmarks.shifts`` (minutes, one core; no data). Each person of a class shows
a label for a while, exponentially long, then draws the next from the same chances: nothing about
the class changes. The rate is told for classes of several sizes and for several mean times that a
label is kept; the aim is at most one notice an hour in each. In the last column all show
happy after three minutes: seconds until the notice, and in how many of twenty tries it came.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fer.core.defaults import WINDOW_SECONDS
from fer.core.labels import EMOTIONS
from fer.live.aggregation import VALENCE, ShiftDetector, Window
from fer.live.aggregation.capping import EXACT, inside, ranges

#: Chances of the labels in a class at work, and in one that is lively.
CALM = {"neutral": 0.7, "happy": 0.1, "sad": 0.08, "surprise": 0.05, "angry": 0.03, "fear": 0.02,
        "disgust": 0.02}  # fmt: skip
LIVELY = {"neutral": 0.4, "happy": 0.25, "sad": 0.12, "surprise": 0.1, "angry": 0.05, "fear": 0.04,
          "disgust": 0.04}  # fmt: skip
SIZES = (5, 10, 15, 20, 30)
KEPT = (4.0, 15.0, 60.0)


def unchanging(
    people: int, windows: int, chances: dict[str, float], kept: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return the label of each person in each window ``[windows, people]``."""
    odds = np.array([chances[name] for name in EMOTIONS])
    fresh = rng.choice(len(EMOTIONS), (windows, people), p=odds / odds.sum())
    moves = rng.random((windows, people)) < -np.expm1(-WINDOW_SECONDS / kept)
    moves[0] = True
    since = np.maximum.accumulate(np.where(moves, np.arange(windows)[:, None], 0), axis=0)
    return np.asarray(np.take_along_axis(fresh, since, axis=0))


def told_of(labels: npt.NDArray[np.int64]) -> Iterator[Window]:
    """Yield the windows that are told of labels ``[windows, people]``."""
    people = labels.shape[1]
    values = np.array([VALENCE[name] for name in EMOTIONS])
    for number, row in enumerate(labels):
        shares = np.bincount(row, minlength=len(EMOTIONS)) / people
        if people < EXACT:
            shares = inside(ranges(shares, people), people)
        valence = round(round(float(shares @ values) / 0.05) * 0.05, 2)
        yield Window(
            number, number * WINDOW_SECONDS, (number + 1) * WINDOW_SECONDS, people, people, 1.0, "",
            faces=people, read=people, generation=1, valence=valence,
        )  # fmt: skip


def notices(labels: npt.NDArray[np.int64]) -> list[float]:
    """Return when shifts were told."""
    watch = ShiftDetector()
    return [one.time for window in told_of(labels) if (one := watch.add(window)) is not None]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=100)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    hour = round(3600 / WINDOW_SECONDS)
    heads = "".join(f"{kept:>8.0f} s" for kept in KEPT)
    print(f"{'false notices an hour':<22}{heads}   all happy after")
    for name, chances in (("calm", CALM), ("lively", LIVELY)):
        for people in SIZES:
            rates = []
            for kept in KEPT:
                labels = unchanging(people, hour * options.hours, chances, kept, rng)
                rates.append(len(notices(labels)) / options.hours)
            delays = []
            for _ in range(20):
                labels = unchanging(people, 180, chances, 15.0, rng)
                labels[90:] = EMOTIONS.index("happy")
                delays += [one - 180 for one in notices(labels) if one > 180][:1]
            told = f"{np.mean(delays):.0f} s ({len(delays)} of 20)" if delays else "never"
            row = "".join(f"{rate:>10.2f}" for rate in rates)
            print(f"{f'{name}, {people} people':<22}{row}   {told}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
