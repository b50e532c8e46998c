"""Calibration error, its level by chance, and the temperature."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import multiclass_calibration_error

from fer.evaluation.calibration import (
    calibration_error,
    calibration_error_by_chance,
    fit_temperature,
    log_probabilities,
    reliability,
    tempered,
)
from tests.support.answers import some_logits

LABEL = np.random.default_rng(1).integers(0, 5, 2000)
LOGITS = some_logits(LABEL, 5, skill=2.0) * 6
P = softmax(LOGITS.astype(np.float64), axis=1)


def test_the_error_is_torchmetrics() -> None:
    theirs = multiclass_calibration_error(
        torch.from_numpy(P), torch.from_numpy(LABEL), 5, n_bins=15, norm="l1"
    )
    assert calibration_error(LABEL, P) == pytest.approx(float(theirs), abs=1e-6)


def test_the_curve_is_scikit_learns() -> None:
    curve = reliability(LABEL, P)
    correct = P.argmax(axis=1) == LABEL
    accuracy, confidence = calibration_curve(correct, P.max(axis=1), n_bins=15)
    np.testing.assert_allclose(curve.accuracy, accuracy)
    np.testing.assert_allclose(curve.confidence, confidence)
    assert curve.count.sum() == len(LABEL)


def test_certain_answers_are_in_the_last_bin() -> None:
    p = np.array([[1.0, 0.0], [0.99, 0.01], [1.0, 0.0], [0.98, 0.02]])
    curve = reliability(np.array([0, 0, 1, 0]), p)
    assert curve.count.tolist() == [4]
    assert calibration_error(np.array([0, 0, 1, 0]), p) == pytest.approx((3.97 - 3) / 4)


def test_chance_is_what_drawing_labels_gives() -> None:
    rng = np.random.default_rng(0)
    p = P[:500]
    drawn = [
        calibration_error((p.cumsum(axis=1) > rng.random((500, 1))).argmax(axis=1), p)
        for _ in range(400)
    ]
    spread = np.std(drawn) / np.sqrt(400)
    found = calibration_error_by_chance(p)
    assert abs(found - np.mean(drawn)) < 4 * spread
    assert found == calibration_error_by_chance(p) != calibration_error_by_chance(p, seed=1)


def test_the_temperature_has_the_least_nll() -> None:
    def nll(t: np.ndarray) -> float:
        return -log_softmax(LOGITS / t, axis=1)[np.arange(2000), LABEL].mean()

    theirs = minimize(nll, [1.0], method="Nelder-Mead").x[0]
    found = fit_temperature(LOGITS, LABEL)
    assert found == pytest.approx(theirs, rel=1e-3)
    # Noise of variance 1 around 2: twice the logits would be exactly right.
    assert found == pytest.approx(3, rel=0.1)
    assert calibration_error(LABEL, tempered(LOGITS, found)) < calibration_error(LABEL, P) / 2


def test_probabilities_stand_in_for_logits() -> None:
    assert fit_temperature(log_probabilities(P), LABEL) == pytest.approx(
        fit_temperature(LOGITS, LABEL), rel=1e-4
    )
    assert np.isfinite(log_probabilities(np.array([[0.0, 1.0]]))).all()


def test_temperature_one_changes_nothing() -> None:
    np.testing.assert_allclose(tempered(LOGITS, 1.0), P, rtol=1e-12)
    assert tempered(np.stack([LOGITS] * 2), 2.0).shape == (2, 2000, 5)
