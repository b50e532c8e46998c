"""Every figure is scikit-learn's or SciPy's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats

from fer.evaluation.statistics import (
    accuracy_interval,
    block,
    confusion,
    mean_over_classes,
    negative_log_likelihood,
    per_class,
    pr_curve,
)
from tests.support.answers import CLASSES, some_logits

RNG = np.random.default_rng(1)
LABEL = RNG.integers(0, 3, 400)
LOGITS = some_logits(LABEL, 3, skill=1.0)
P = np.exp(LOGITS.astype(np.float64))
P /= P.sum(axis=1, keepdims=True)
ANSWER = P.argmax(axis=1)


def test_the_block_is_scikit_learns() -> None:
    found = block(LABEL, ANSWER, CLASSES, probabilities=P, calibrated=P)
    assert found["n"] == 400
    assert found["accuracy"] == sk.accuracy_score(LABEL, ANSWER)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(LABEL, ANSWER, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(LABEL, ANSWER))
    assert found["nll"] == pytest.approx(sk.log_loss(LABEL, P))
    report = sk.classification_report(LABEL, ANSWER, target_names=CLASSES, output_dict=True)
    for name in CLASSES:
        row = found["per_class"][name]
        assert row["precision"] == pytest.approx(report[name]["precision"])
        assert row["recall"] == pytest.approx(report[name]["recall"])
        assert row["f1"] == pytest.approx(report[name]["f1-score"])
        assert row["support"] == report[name]["support"]
    assert set(found) == {
        "n", "accuracy", "accuracy_ci95", "macro_f1", "balanced_accuracy", "ece",
        "ece_calibrated", "ece_null", "nll", "per_class",
    }  # fmt: skip


def test_labels_alone_have_no_calibration() -> None:
    found = block(LABEL, ANSWER, CLASSES, probabilities=None, calibrated=None)
    assert {name for name, value in found.items() if value is None} == {
        "ece", "ece_calibrated", "ece_null", "nll",
    }  # fmt: skip


def test_a_class_without_faces_or_answers_has_no_figures() -> None:
    label, answer = np.array([0, 0, 1]), np.array([0, 0, 0])
    table = per_class(label, answer, CLASSES)
    assert table["dog"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert table["eel"] == {"precision": None, "recall": None, "f1": None, "support": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f1 = sk.f1_score(label, answer, average="macro", zero_division=0)
        balanced = sk.balanced_accuracy_score(label, answer)
    assert mean_over_classes(table, "f1") == pytest.approx(f1)
    assert mean_over_classes(table, "recall") == pytest.approx(balanced)


def test_the_interval_is_scipys_bootstrap() -> None:
    correct = ANSWER == LABEL
    low, high = accuracy_interval(correct)
    theirs = stats.bootstrap(
        (correct.astype(float),), np.mean, method="percentile", n_resamples=5000, rng=0
    ).confidence_interval
    # In steps of a face; both are drawn.
    assert abs(low - theirs.low) < 1.5 / 400
    assert abs(high - theirs.high) < 1.5 / 400
    exact = stats.binom(400, correct.mean()).ppf([0.025, 0.975]) / 400
    assert np.abs(exact - (low, high)).max() < 1.5 / 400


def test_the_interval_is_the_seeds_and_needs_faces() -> None:
    correct = ANSWER == LABEL
    assert accuracy_interval(correct, seed=3) == accuracy_interval(correct, seed=3)
    assert accuracy_interval(correct, resamples=50) != accuracy_interval(
        correct, seed=1, resamples=50
    )
    assert accuracy_interval(np.ones(5, dtype=bool)) == (1.0, 1.0)
    with pytest.raises(ValueError, match="no faces"):
        accuracy_interval(np.zeros(0, dtype=bool))


def test_certain_and_wrong_is_not_infinitely_bad() -> None:
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert negative_log_likelihood(np.array([0, 0]), p) == pytest.approx(
        -np.log(np.finfo(np.float64).eps) / 2
    )


def test_counts_and_curves_are_scikit_learns() -> None:
    np.testing.assert_array_equal(
        confusion(LABEL, ANSWER, 4), sk.confusion_matrix(LABEL, ANSWER, labels=range(4))
    )
    precision, recall = pr_curve(LABEL, P, 1)
    theirs = sk.precision_recall_curve(LABEL == 1, P[:, 1])
    np.testing.assert_array_equal(precision[::-1], theirs[0])
    assert (np.diff(recall) >= 0).all()
