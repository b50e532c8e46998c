"""The figures of a classification, and how far chance alone would move its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.metrics import (
    confusion_matrix,
    log_loss,
    precision_recall_curve,
    precision_recall_fscore_support,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Resamples of every bootstrap.
RESAMPLES: Final = 10_000
#: Percentiles of a 95 % interval.
_ENDS: Final = (2.5, 97.5)


def accuracy_interval(
    correct: Bools, *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of an accuracy (Efron & Tibshirani 1993).

    A resample of n faces has a binomial number of correct ones, so that number is drawn directly:
    the same distribution without n draws each.

    Args:
        correct: bool ``[N]``.

    Example:
        >>> low, high = accuracy_interval(np.arange(1000) < 700)
        >>> 0.66 < low < 0.68, 0.72 < high < 0.74
        (True, True)
    """
    n = len(correct)
    if n == 0:
        raise ValueError("no faces have no accuracy")
    draws = np.random.default_rng(seed).binomial(n, correct.mean(), resamples)
    low, high = np.percentile(draws / n, _ENDS)
    return float(low), float(high)


def confusion(label: Ints, answer: Ints, classes: int) -> Ints:
    """Return int64 ``[C, C]``: how many faces of each true class (row) got each answer."""
    counts: Ints = confusion_matrix(label, answer, labels=range(classes)).astype(np.int64)
    return counts


def per_class(label: Ints, answer: Ints, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return precision, recall, F1 and support (faces) of each class.

    None where there is no such number: the precision of a class that is never answered, the recall
    of one that has no faces, the F1 of one that has neither.
    """
    columns = precision_recall_fscore_support(
        label, answer, labels=range(len(classes)), zero_division=np.nan
    )
    found = {}
    for name, precision, recall, f1, support in zip(classes, *columns, strict=True):
        numbers = {"precision": precision, "recall": recall, "f1": f1}
        found[name] = {
            **{key: float(v) if np.isfinite(v) else None for key, v in numbers.items()},
            "support": int(support),
        }
    return found


def mean_over_classes(table: dict[str, dict[str, Any]], figure: str) -> float:
    """Return the mean of a figure (``f1``, ``recall``) over the classes that have it."""
    return float(np.mean([row[figure] for row in table.values() if row[figure] is not None]))


def negative_log_likelihood(label: Ints, probabilities: Floats) -> float:
    """Return the mean of −log p of the true class, in nats; a p of 0 counts as 2.2e-16."""
    return float(log_loss(label, probabilities, labels=range(probabilities.shape[1])))


def pr_curve(label: Ints, probabilities: Floats, position: int) -> tuple[Floats, Floats]:
    """Return precision and recall of one class against all others, by falling threshold."""
    precision, recall, _ = precision_recall_curve(label == position, probabilities[:, position])
    return precision[::-1], recall[::-1]


def scores(
    label: Ints, logits: npt.NDArray[np.floating[Any]], classes: Sequence[str], split: str
) -> dict[str, float | None]:
    """Return the figures of a split under the names that a training gives them: ``val/acc`` ….

    Returns:
        ``acc``, ``loss`` (cross entropy, in nats), ``balanced_acc``, and of ``precision``,
        ``recall`` and ``f1`` the mean over classes, ``macro_…``, and each class's, ``…/CLASS``;
        None where there is no such number.
    """
    answer = logits.argmax(axis=1)
    table = per_class(label, answer, classes)
    found: dict[str, float | None] = {
        "acc": float((answer == label).mean()),
        "loss": negative_log_likelihood(label, softmax(logits.astype(np.float64), axis=1)),
        "balanced_acc": mean_over_classes(table, "recall"),
    }
    for figure in ("precision", "recall", "f1"):
        found[f"macro_{figure}"] = mean_over_classes(table, figure)
        found |= {f"{figure}/{name}": row[figure] for name, row in table.items()}
    return {f"{split}/{name}": value for name, value in found.items()}


def block(
    label: Ints,
    answer: Ints,
    classes: Sequence[str],
    *,
    probabilities: Floats | None,
    calibrated: Floats | None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return the figures of one set of faces, as ``metrics.json`` has them.

    ``calibrated`` are the ``probabilities``, float64 ``[N, C]``, after temperature scaling.

    Returns:
        ``n``, ``accuracy``, ``accuracy_ci95``, ``macro_f1``, ``balanced_accuracy``, ``ece``,
        ``ece_calibrated``, ``ece_null`` (what the probabilities after temperature scaling would
        show if they were exactly right; without a temperature, those before), ``nll``,
        ``per_class``; None for what cannot be known.
    """
    from fer.evaluation.calibration import calibration_error, calibration_error_by_chance

    correct = answer == label
    table = per_class(label, answer, classes)
    p = probabilities
    best = p if calibrated is None else calibrated
    return {
        "n": len(label),
        "accuracy": float(correct.mean()),
        "accuracy_ci95": list(accuracy_interval(correct, seed=seed, resamples=resamples)),
        "macro_f1": mean_over_classes(table, "f1"),
        "balanced_accuracy": mean_over_classes(table, "recall"),
        "ece": None if p is None else calibration_error(label, p),
        "ece_calibrated": None if calibrated is None else calibration_error(label, calibrated),
        "ece_null": None if best is None else calibration_error_by_chance(best, seed=seed),
        "nll": None if p is None else negative_log_likelihood(label, p),
        "per_class": table,
    }
