"""Whether a model has seen the test labels: it repeats those that FER+'s votes contradict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.evaluation.statistics import RESAMPLES

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Below this official accuracy the ratio says nothing: constant answers have any from 0.1 to 6.
UNINFORMATIVE_BELOW: Final = 0.30
LEAKED_FROM: Final = 0.80
SUSPICIOUS_FROM: Final = 0.70
#: What honest peers were measured at.
_HONEST: Final = (0.34, 0.62)


@dataclass(frozen=True, slots=True)
class Memorisation:
    """How a model answers where FER+ contradicts FER2013.

    Attributes:
        n: faces whose FER+ winner is one of the seven emotions and not their FER2013 label.
        rate: the share of these where the model repeats the label; None where there are none.
        ratio: that divided by the accuracy on all other faces; None where it can't be.
        ratio_ci95: the 95 % percentile bootstrap interval of the ratio, over the faces.
        verdict: ``ok``, ``suspicious``, ``leaked`` or ``uninformative``.
    """

    n: int
    rate: float | None
    ratio: float | None
    ratio_ci95: tuple[float, float] | None
    verdict: str
    reason: str


def memorisation(label: Ints, answer: Ints, winner: Ints, *, seed: int = 0) -> Memorisation:
    """Judge whether answers can come from a model that has not seen the labels.

    A better model repeats more of the contradicted labels honestly, so their share is divided by
    the accuracy on the other faces. Honest networks have ratios from 0.34 to 0.62; one trained on
    the test split nears 1. The verdict is evidence, no proof: a short training on the test labels
    remembers few, and answers weighted towards rare classes repeat many labels that are hard.

    All arrays are int64 ``[N]``; the votes' ``winner`` is -1 where there is none.

    Example:
        >>> label, winner = np.array([0, 0, 1, 1]), np.array([0, 1, 1, -1])
        >>> memorisation(label, label, winner).verdict
        'leaked'
    """
    contradicted = (winner >= 0) & (winner != label)
    correct = answer == label
    n, accuracy = int(contradicted.sum()), float(correct.mean())
    rate = float(correct[contradicted].mean()) if n else None
    others = float(correct[~contradicted].mean()) if n < len(label) else 0.0
    ratio = rate / others if rate is not None and others > 0 else None
    between = None if ratio is None else _ratio_interval(correct, contradicted, seed)
    if accuracy < UNINFORMATIVE_BELOW:
        why = f"its accuracy of {accuracy:.1%} is too low to tell (below {UNINFORMATIVE_BELOW:.0%})"
        return Memorisation(n, rate, ratio, between, "uninformative", why)
    if rate is None:
        why = "the votes contradict no label here"
        return Memorisation(0, None, None, None, "uninformative", why)
    said = (
        f"it repeats {rate:.1%} of {n:,} labels that the votes of FER+ contradict, and is right on "
        f"{others:.1%} of the other faces"
    )
    said += "" if ratio is None else f": a ratio of {ratio:.2f}"
    if ratio is None or ratio >= LEAKED_FROM:
        why = f"{said}, as systems have that learnt from the test labels"
        return Memorisation(n, rate, ratio, between, "leaked", why)
    if ratio >= SUSPICIOUS_FROM:
        why = f"{said}, more than honest models were seen to have (0.34–0.62)"
        return Memorisation(n, rate, ratio, between, "suspicious", why)
    honest = _HONEST[0] <= round(ratio, 2) <= _HONEST[1]
    why = (
        "as honest models do"
        if honest
        else "where honest models were seen to have 0.34–0.62: no sign that it knew the test labels"
    )
    return Memorisation(n, rate, ratio, between, "ok", f"{said}, {why}")


def _ratio_interval(correct: Bools, contradicted: Bools, seed: int) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of the ratio."""
    # A resample of the faces has a multinomial number of each of four kinds, drawn directly.
    kinds = np.bincount(2 * contradicted + correct, minlength=4)
    draws = np.random.default_rng(seed).multinomial(len(correct), kinds / len(correct), RESAMPLES)
    wrong, right, repeated_not, repeated = draws.T.astype(np.float64)
    usable = (right > 0) & (repeated + repeated_not > 0)
    if not usable.any():
        return None
    rate = (repeated / (repeated + repeated_not + ~usable))[usable]
    others = (right / (right + wrong + ~usable))[usable]
    low, high = np.percentile(rate / others, (2.5, 97.5))
    return float(low), float(high)


def agreement_with_crowd(answer: Ints, winner: Ints) -> float | None:
    """Return the share of answers that are the votes' winner, of faces with one (not -1)."""
    clear = winner >= 0
    return float((answer == winner)[clear].mean()) if clear.any() else None


def crowd_accuracy(
    label: Ints, guess: Ints, winner: Ints, classes: Sequence[str]
) -> dict[str, Any]:
    """Return how often the crowd's best guess is the label: a yardstick that models may well pass.

    Args:
        guess: int64 ``[N]``, the crowd's best guess, -1 where that is none of the classes.
        winner: int64 ``[N]``, the same where a single class has the most votes, -1 elsewhere.

    Returns:
        ``n``, ``overall`` and ``per_class`` of all faces, None for a class without any; ``clear_n``
        and ``clear_overall`` of the faces with a winner.
    """
    clear, right = winner >= 0, guess == label
    of_class = [right[label == i] for i in range(len(classes))]
    return {
        "n": len(label),
        "overall": float(right.mean()),
        "clear_n": int(clear.sum()),
        "clear_overall": float(right[clear].mean()) if clear.any() else None,
        "per_class": {
            name: float(some.mean()) if len(some) else None
            for name, some in zip(classes, of_class, strict=True)
        },
    }
