"""Whether probabilities mean what they say, and the temperature that makes them do so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Bins of equal width, as in most papers.
BINS: Final = 15
#: The range of temperatures to search, as logarithms.
_RANGE: Final = (np.log(0.05), np.log(20.0))


def fit_temperature(logits: npt.NDArray[np.floating], label: Ints) -> float:
    """Return the temperature, 0.05 to 20, of least negative log-likelihood (Guo et al. 2017).

    Above 1 the network is overconfident. The logits ``[N, C]``, or logarithms of probabilities,
    must be of faces that it was not trained on.

    Example:
        >>> logits = np.log([[0.9, 0.1]] * 4)
        >>> fitted = fit_temperature(logits, np.array([0, 0, 0, 1]))
        >>> softmax(logits[0] / fitted).round(3).tolist()  # right three times in four
        [0.75, 0.25]
    """
    z = np.asarray(logits, dtype=np.float64)
    rows = np.arange(len(z))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(z / np.exp(log_temperature), axis=1)[rows, label].mean())

    found = minimize_scalar(loss, bounds=_RANGE, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def tempered(logits: npt.NDArray[np.floating], temperature: float) -> Floats:
    """Return float64 ``[…, C]``: the softmax of logits divided by a temperature."""
    return np.asarray(softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=-1))


def log_probabilities(probabilities: Floats) -> Floats:
    """Return logarithms that stand in for logits; a probability of 0 counts as 1e-12."""
    return np.log(np.clip(probabilities, 1e-12, None))


@dataclass(frozen=True, slots=True)
class ReliabilityCurve:
    """Confidence against accuracy, bin by bin; empty bins are left out.

    Attributes:
        confidence: float64 ``[K]``, mean probability of the answers in each bin.
        accuracy: float64 ``[K]``, the share of them that is right.
        count: int64 ``[K]``.
    """

    confidence: Floats
    accuracy: Floats
    count: Ints


def reliability(label: Ints, probabilities: Floats, bins: int = BINS) -> ReliabilityCurve:
    """Return the reliability curve of the answers (DeGroot & Fienberg 1983).

    Probabilities are float64 ``[N, C]``; bins have equal width and are closed on the right.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == label
    place = _bins_of(confidence, bins)
    count = np.bincount(place, minlength=bins)
    some = count > 0
    sums = [np.bincount(place, weights=w, minlength=bins)[some] for w in (confidence, correct)]
    return ReliabilityCurve(sums[0] / count[some], sums[1] / count[some], count[some])


def calibration_error(label: Ints, probabilities: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy, L1.

    Source: Naeini et al. 2015; of the answered class, in bins of equal width.
    """
    curve = reliability(label, probabilities, bins)
    gaps = np.abs(curve.confidence - curve.accuracy)
    return float((gaps * curve.count).sum() / curve.count.sum())


def calibration_error_by_chance(
    probabilities: Floats, *, seed: int = 0, repeats: int = 1000, bins: int = BINS
) -> float:
    """Return the mean calibration error if these probabilities ``[N, C]`` were exactly right.

    With finitely many faces it is not 0: labels are drawn from the probabilities, again and again
    (consistency resampling, Bröcker & Smith 2007). Only the number of right answers in each bin
    matters, so whether an answer is right is drawn with its confidence.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(_bins_of(confidence, bins), kind="stable")
    confidence = confidence[order]
    starts = np.unique(_bins_of(confidence, bins), return_index=True)[1]
    expected = np.add.reduceat(confidence, starts)
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(repeats):
        right = np.add.reduceat(rng.random(len(confidence)) < confidence, starts, dtype=np.float64)
        total += float(np.abs(right - expected).sum())
    return total / (repeats * len(confidence))


def _bins_of(confidence: Floats, bins: int) -> Ints:
    inner = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    return np.searchsorted(inner, confidence).astype(np.int64)
