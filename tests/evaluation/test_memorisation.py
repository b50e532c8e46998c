"""The rule of memorisation, on every side of its limits, and the crowd as a yardstick."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score

from fer.core.labels import EMOTIONS
from fer.data.fer2013_reference import read_annotator_votes
from fer.data.sources.fer2013 import Fer2013
from fer.evaluation.memorisation import agreement_with_crowd, crowd_accuracy, memorisation

N = 1000
LABEL = np.arange(N) % 7
#: The crowd contradicts 300 labels, has nothing to say on 100, and agrees with the rest.
WINNER = np.where(np.arange(N) < 300, (LABEL + 1) % 7, LABEL)
WINNER[900:] = -1


def answers(rate: float, others: float) -> np.ndarray:
    """Return answers that repeat a share of the contradicted labels, and of the others."""
    wrong = np.concatenate([np.arange(300) >= rate * 300, np.arange(700) >= others * 700])
    return np.where(wrong, (LABEL + 3) % 7, LABEL)


@pytest.mark.parametrize(
    ("rate", "others", "verdict"),
    [
        (0.37, 0.82, "ok"),
        (0.54, 0.80, "ok"),
        (0.57, 0.80, "suspicious"),
        (0.63, 0.80, "suspicious"),
        (0.65, 0.80, "leaked"),
        (0.85, 0.91, "leaked"),
        (1.0, 1.0, "leaked"),
        (1.0, 0.0, "leaked"),
        (0.9, 0.01, "uninformative"),
        (0.0, 0.0, "uninformative"),
    ],
)
def test_the_verdict(rate: float, others: float, verdict: str) -> None:
    found = memorisation(LABEL, answers(rate, others), WINNER)
    assert found.verdict == verdict
    assert found.n == 300
    assert found.rate == pytest.approx(rate)
    if others:
        assert found.ratio == pytest.approx(rate / others)
    else:
        assert found.ratio is None


@pytest.mark.parametrize("answer", range(7))
def test_constant_answers_are_uninformative(answer: int) -> None:
    assert memorisation(LABEL, np.full(N, answer), WINNER).verdict == "uninformative"


def test_random_answers_are_uninformative() -> None:
    random = np.random.default_rng(0).integers(0, 7, N)
    assert memorisation(LABEL, random, WINNER).verdict == "uninformative"


def test_a_crowd_that_contradicts_nothing_tells_nothing() -> None:
    found = memorisation(LABEL, LABEL, LABEL)
    assert (found.n, found.rate, found.verdict) == (0, None, "uninformative")


def test_the_crowd_as_a_yardstick() -> None:
    clear = WINNER >= 0
    guess = np.where(np.arange(N) < 950, np.where(clear, WINNER, LABEL), -1)
    found = crowd_accuracy(LABEL, guess, WINNER, EMOTIONS)
    assert (found["n"], found["clear_n"]) == (N, 900)
    assert found["overall"] == accuracy_score(LABEL, guess)
    assert found["clear_overall"] == accuracy_score(LABEL[clear], WINNER[clear])
    happy = LABEL == 3
    assert found["per_class"]["happy"] == accuracy_score(LABEL[happy], guess[happy])
    assert agreement_with_crowd(WINNER, WINNER) == 1.0
    assert agreement_with_crowd(LABEL, WINNER) == found["clear_overall"]
    assert agreement_with_crowd(LABEL, np.full(N, -1)) is None
    assert crowd_accuracy(LABEL, guess, np.full(N, -1), EMOTIONS)["clear_overall"] is None


def test_the_figures_of_fer2013() -> None:
    if not os.environ.get("FER_DATA_ROOT"):
        pytest.skip("FER_DATA_ROOT is not set")
    source = Fer2013()
    faces = source.load()
    test = faces.splits["test"]
    crowd = read_annotator_votes(source, faces)
    winner = crowd.winner[test.rows]
    contradicted = (winner >= 0) & (winner != test.labels)
    assert (int(contradicted.sum()), int((~contradicted).sum())) == (1153, 2436)
    assert memorisation(test.labels, test.labels, winner).verdict == "leaked"
    for answer in range(7):
        constant = np.full(len(test), answer)
        assert memorisation(test.labels, constant, winner).verdict == "uninformative"
    found = crowd_accuracy(test.labels, crowd.guess[test.rows], winner, EMOTIONS)
    assert (round(found["overall"], 2), round(found["clear_overall"], 2)) == (0.62, 0.66)
    per_class = {name: round(100 * share) for name, share in found["per_class"].items()}
    assert per_class == {
        "angry": 49, "disgust": 31, "fear": 13, "happy": 93, "sad": 38, "surprise": 76,
        "neutral": 87,
    }  # fmt: skip


def test_the_interval_is_scipys() -> None:
    answer = np.where(np.random.default_rng(5).random(N) < 0.7, LABEL, (LABEL + 1) % 7)
    contradicted = (WINNER >= 0) & (WINNER != LABEL)

    def ratio(kind: Any, right: Any) -> float:
        return float(right[kind].mean() / right[~kind].mean())

    theirs = stats.bootstrap(
        (contradicted, answer == LABEL), ratio, paired=True, vectorized=False, n_resamples=2000,
        method="percentile", rng=0,
    ).confidence_interval  # fmt: skip
    found = memorisation(LABEL, answer, WINNER).ratio_ci95
    assert found == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_what_is_said_of_an_honest_model_fits_its_ratio() -> None:
    # A ratio of a tenth is as far from honest networks as one of two thirds is near to leaks.
    rows = np.arange(N)
    for share, words in ((0.05, "where honest models were seen"), (0.45, "as honest models")):
        chosen = (WINNER >= 0) & (WINNER != LABEL)
        repeats = ~chosen | (rows % 100 < 100 * share)
        found = memorisation(LABEL, np.where(repeats, LABEL, WINNER), WINNER)
        assert found.verdict == "ok"
        assert words in found.reason
