"""How often equal models are called different: the rule of ``compare=`` and plain resampling.

Run with ``python -m benchmarks.false_differences [--pairs N]``. A simulation: pairs of models that
are equally good, trained with three seeds each (or three and one); 3,589 faces of different
difficulty, the same for both, of which about 65 % are answered rightly; seeds whose accuracies
spread by a standard deviation of 0, 0.45, 1.2 or 3 points. A 95 % interval of their difference
ought to leave out zero in 5 % of the pairs. *Resampling* is the percentile bootstrap over faces and
seeds (Efron & Tibshirani 1993).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from fer.evaluation.comparison import difference_interval

Bools = npt.NDArray[np.bool_]
Interval = Callable[[Bools, Bools], tuple[float, float]]

FACES = 3589


def equal_models(
    spread: float, rng: np.random.Generator, *, seeds: tuple[int, int] = (3, 3), faces: int = FACES
) -> tuple[Bools, Bools]:
    """Return where two equally good models are right, bool ``[seeds, faces]`` each.

    Args:
        spread: standard deviation of a seed's expected accuracy, a share.
        rng: of the draws.
        seeds: of each model.
        faces: how many.
    """
    base = rng.normal(1.2, 2.5, faces)
    first, second = (_model(base, spread, count, rng) for count in seeds)
    return first, second


def _model(
    base: npt.NDArray[np.float64], spread: float, count: int, rng: np.random.Generator
) -> Bools:
    # Another kind of network finds other faces easy.
    own = base + rng.normal(0, 1, len(base))
    p = expit(own)
    effect = rng.normal(0, spread, count) / (p * (1 - p)).mean()
    return rng.random((count, len(base))) < expit(own + effect[:, None])


def resampled_interval(
    first: Bools, second: Bools, *, resamples: int = 2000
) -> tuple[float, float]:
    """Return the percentile bootstrap interval over faces and each model's seeds."""
    rng = np.random.default_rng(0)
    every = np.concatenate([first, second])
    # Faces that the same seeds get right are drawn together.
    kinds, counts = np.unique(every.T, axis=0, return_counts=True)
    accuracies = rng.multinomial(every.shape[1], counts / counts.sum(), resamples) @ kinds
    means = []
    for at, count in ((0, len(first)), (len(first), len(second))):
        drawn = at + rng.integers(count, size=(resamples, count))
        means.append(np.take_along_axis(accuracies, drawn, axis=1).mean(axis=1))
    low, high = np.percentile((means[0] - means[1]) / every.shape[1], (2.5, 97.5))
    return float(low), float(high)


def false_rate(
    interval: Interval, spread: float, *, pairs: int, seeds: tuple[int, int] = (3, 3)
) -> float:
    """Return the share of pairs of equal models whose interval leaves out zero."""
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(pairs):
        low, high = interval(*equal_models(spread, rng, seeds=seeds))
        false += not low <= 0 <= high
    return false / pairs


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=2000)
    options = parser.parse_args()
    print(f"{'spread':>12}{'seeds':>8}{'fer':>8}{'resampling':>12}")
    for spread in (0.0, 0.0045, 0.012, 0.03):
        for seeds in ((3, 3), (3, 1)):
            ours, theirs = (
                false_rate(one, spread, pairs=options.pairs, seeds=seeds)
                for one in (difference_interval, resampled_interval)
            )
            shown = f"{100 * spread:>5.2f} points{seeds[0]:>6}+{seeds[1]}"
            print(f"{shown}{100 * ours:>6.1f} %{100 * theirs:>10.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
