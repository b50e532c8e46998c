"""Where a row is better than another, held against plain arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer.evaluation import read_predictions
from fer.experiments.runs import Row, metrics_in
from fer.experiments.table.formatting import SPREAD
from fer.experiments.table.results import Result
from fer.experiments.table.where import where_helps, where_table
from tests.experiments.table.made_up import corrupted, some_row, write

NAMES = {"val": "PublicTest", "test": "PrivateTest", "reference": "cnn"}


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Row, Row]:
    better = some_row(tmp_path, "cnn_lstm", [0.7, 0.7, 0.7], skill=2.5)
    plain = some_row(tmp_path, "cnn", [0.6, 0.6, 0.6], skill=1.0)
    return corrupted(better, gain=0.05), corrupted(plain, gain=0.0)


@pytest.fixture
def pair(rows: tuple[Row, Row]) -> tuple[Result, Result]:
    found = where_helps(*rows)
    assert found is not None
    return found


def test_recalls_are_those_of_the_predictions(
    rows: tuple[Row, Row], pair: tuple[Result, Result]
) -> None:
    recalls = []
    for run in rows[0].runs:
        test = read_predictions(run.judgement).test()
        recalls.append(test.correct[test.label == 1].mean())
    figure = pair[1].figures["recall-dog"]
    assert figure.value == pytest.approx(np.mean(recalls), abs=1e-6)
    assert figure.on_test
    assert figure.seeds == (0, 1, 2)
    gain = pair[1].figures["gain-recall-dog"]
    assert gain.value == pytest.approx(figure.value - pair[0].figures["recall-dog"].value, abs=2e-6)
    assert gain.interval is not None
    assert 0 < gain.interval[0] < gain.value < gain.interval[1]


def test_corruptions_are_means_by_family(pair: tuple[Result, Result]) -> None:
    theirs, ours = (one.figures for one in pair)
    # Of seeds 0 to 2: 0.3 and 0.4, with 0.01 a seed.
    assert theirs["under-light"].value == pytest.approx(0.36)
    assert theirs["under-head_angle"].value == pytest.approx(0.51)
    assert theirs["under-nothing"].value == pytest.approx(0.6)
    assert theirs["under-light"].method == SPREAD
    assert ours["gain-under-light"].text == "+5.0 ± 0.0 points"
    assert not ours["gain-under-light"].on_test


def test_without_robustness_classes_alone_are_compared(rows: tuple[Row, Row]) -> None:
    for run in rows[1].runs:
        metrics = {**(metrics_in(run.judgement) or {}), "robustness": None}
        write(run.judgement / "metrics.json", metrics)
    found = where_helps(*rows)
    assert found is not None
    assert list(found[0].figures) == ["recall-cat", "recall-dog", "recall-eel"]
    assert len(found[1].figures) == 6


def test_what_was_not_judged_is_not_compared(tmp_path: Path) -> None:
    screened = some_row(tmp_path, "a", [0.6], judged=False)
    assert where_helps(screened, some_row(tmp_path, "b", [0.6])) is None


def test_the_table(pair: tuple[Result, Result]) -> None:
    text = where_table(pair, NAMES).markdown(pair)
    assert text.splitlines()[0] == "|  | `cnn` | `cnn_lstm` | difference |"
    assert "| PrivateTest, recall of dog | " in text
    assert "| – |" not in text
    assert "| PublicTest, corrupted: head angle | 51.0 ± 1.0 % | 56.0 ± 1.0 % | +5.0" in text
