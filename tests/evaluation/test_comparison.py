"""Comparing models face by face."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.false_differences import false_rate
from fer.evaluation import ModelRuns, Predictions, PredictionsError, compare
from fer.evaluation.comparison import (
    comparison_table,
    difference_interval,
    marks_of,
    mcnemar,
    warnings_of,
)
from tests.support.answers import some_faces, some_predictions
from tests.support.errors import raises

FACES = some_faces(test=600)
GOOD = some_predictions(FACES, skill=2.5)
POOR = some_predictions(FACES, skill=1.0, seed=1)
ALONE = " (one seed each: of these two trainings alone)"


def contenders(**seeds: list[Predictions]) -> list[ModelRuns]:
    return [ModelRuns(name, found) for name, found in seeds.items()]


def test_mcnemar_is_scipys_sign_test() -> None:
    first, second = GOOD.test().correct, POOR.test().correct
    apart = first[first != second]
    assert mcnemar(first, second) == stats.binomtest(int(apart.sum()), len(apart)).pvalue
    assert mcnemar(first, first) == 1.0


def test_the_interval_of_two_trainings_is_the_paired_t_interval() -> None:
    first, second = GOOD.test().correct, POOR.test().correct
    theirs = stats.ttest_rel(first.astype(float), second.astype(float)).confidence_interval()
    assert difference_interval(first[None], second[None]) == pytest.approx(
        (theirs.low, theirs.high)
    )
    assert difference_interval(first[None], first[None]) == (0, 0)


def test_where_seeds_alone_differ_the_interval_is_welchs() -> None:
    """Each training answers all faces alike but for its seed: faces add next to nothing."""
    faces = np.arange(100_000) / 100_000
    accuracies = ([0.60, 0.64, 0.71], [0.50, 0.51])
    first, second = (np.stack([faces < a for a in one]) for one in accuracies)
    theirs = stats.ttest_ind(*accuracies, equal_var=False).confidence_interval()
    assert difference_interval(first, second) == pytest.approx((theirs.low, theirs.high), abs=2e-3)
    # A single training of a model is taken to vary as the other's seeds do.
    theirs = stats.ttest_ind(accuracies[0], [0.5]).confidence_interval()
    found = difference_interval(first, second[:1])
    assert found == pytest.approx((theirs.low, theirs.high), abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0045, 0.012])
@pytest.mark.parametrize("seeds", [(3, 3), (3, 1)])
def test_equal_models_are_seldom_called_different(spread: float, seeds: tuple[int, int]) -> None:
    rate = false_rate(difference_interval, spread, pairs=1000, seeds=seeds)
    # 5 % of the pairs, and what chance adds to a thousand of them in one of a hundred such tests.
    assert rate <= stats.binom.ppf(0.99, 1000, 0.05) / 1000


def test_a_better_model_is_better_and_its_copy_is_not() -> None:
    found = compare(contenders(good=[GOOD], poor=[POOR], copy=[GOOD]))
    verdicts = {(p["first"], p["second"]): p["verdict"] for p in found["pairs"]}
    assert verdicts == {
        ("good", "poor"): f"good is better{ALONE}",
        ("good", "copy"): "not told apart",
        ("poor", "copy"): f"copy is better{ALONE}",
    }
    pair = found["pairs"][0]
    assert pair["difference"] == GOOD.test().correct.mean() - POOR.test().correct.mean()
    assert pair["mcnemar_p"] < 0.001
    assert "good − poor: +" in comparison_table(found)


def test_seeds_are_averaged_and_their_spread_is_told() -> None:
    seeds = [some_predictions(FACES, skill=1.0, seed=i) for i in range(3)]
    found = compare(contenders(ours=seeds, theirs=[POOR]))
    accuracies = [one.test().correct.mean() for one in seeds]
    ours = found["models"][0]
    assert ours["accuracies"] == accuracies
    assert (ours["mean"], ours["sd"]) == (np.mean(accuracies), stats.tstd(accuracies))
    assert found["models"][1]["sd"] is None
    (pair,) = found["pairs"]
    assert pair["mcnemar_p"] is None
    assert pair["verdict"] == "not told apart"
    assert "over 3 seeds" in comparison_table(found)
    better = [some_predictions(FACES, skill=2.5, seed=i) for i in range(3)]
    (pair,) = compare(contenders(ours=seeds, theirs=better))["pairs"]
    assert pair["verdict"] == "theirs is better"


def test_the_order_of_rows_does_not_matter() -> None:
    mixed = POOR.take(np.random.default_rng(0).permutation(len(POOR)))
    assert compare(contenders(a=[GOOD], b=[POOR])) == compare(contenders(a=[GOOD], b=[mixed]))


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (replace(GOOD, classes=("a", "b", "c")), "classes_differ"),
        (GOOD.take(GOOD.row != GOOD.row[-1]), "rows_differ"),
        (GOOD.of("val"), "rows_differ"),
        (replace(GOOD, label=(GOOD.label + (GOOD.row == GOOD.row[-1])) % 3), "labels_differ"),
    ],
    ids=["classes", "rows", "no test", "labels"],
)
def test_what_is_not_alike_is_not_compared(other: Predictions, code: str) -> None:
    with raises(code, where="b", kind=PredictionsError):
        compare(contenders(a=[GOOD], b=[other]))


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("INVALID", "can't be told, since good is INVALID"), ("leaked", f"good is better{ALONE}")],
)
def test_what_is_no_score_is_not_called_better(word: str, verdict: str) -> None:
    good = ModelRuns("good", [GOOD], [word])
    found = compare([good, ModelRuns("poor", [POOR])])
    assert found["pairs"][0]["verdict"] == verdict
    assert found["models"][0]["warnings"] == [word]
    assert word in comparison_table(found)


def test_warnings_of_a_judgement(tmp_path: Path) -> None:
    assert warnings_of(tmp_path) == []
    file = tmp_path / "metrics.json"
    file.write_text(json.dumps({"invalid": "it did", "verdict": "leaked"}))
    assert warnings_of(tmp_path) == ["INVALID", "leaked"]
    file.write_text(json.dumps({"not_comparable": "labels", "verdict": "ok"}))
    assert warnings_of(tmp_path / "predictions.parquet") == ["NOT COMPARABLE"]
    file.write_text("{")
    with raises("not_metrics", where="metrics.json", kind=PredictionsError):
        warnings_of(tmp_path)


def test_marks_of_models_mark_their_comparison(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
    known = {"invalid": "it saw the test faces: all of them"}
    (tmp_path / "b" / "metrics.json").write_text(json.dumps(known))
    a, b, c = (tmp_path / name for name in "abc")
    named = {"ours": [a, c / "metrics.json"], "theirs": [a, b / "predictions.parquet"]}
    assert marks_of(named) == {"invalid": "theirs (it saw the test faces: all of them)"}
    assert marks_of({"ours": [a], "theirs": [c]}) == {}


def test_where_interval_and_test_differ_models_are_not_told_apart() -> None:
    faces = some_faces(test=200)
    test = faces.splits["test"]
    wrong = (test.labels + 1) % len(faces.classes)
    rows = np.arange(200)

    def answers(right: np.ndarray) -> Predictions:
        answer = np.where(right, test.labels, wrong)
        return Predictions(faces.classes, test.rows, np.full(200, "test"), test.labels, answer)

    # Only the one is right on 15 faces, only the other on 5.
    found = compare(contenders(a=[answers(rows >= 5)], b=[answers((rows < 5) | (rows >= 20))]))
    (pair,) = found["pairs"]
    assert pair["difference_ci95"][0] > 0
    assert 0.04 < pair["mcnemar_p"] < 0.05
    assert pair["verdict"] == f"a is better{ALONE}"
    found = compare(contenders(a=[answers(rows >= 6)], b=[answers((rows < 6) | (rows >= 21))]))
    (pair,) = found["pairs"]
    assert pair["mcnemar_p"] > 0.05
    assert pair["verdict"] == "not told apart"
