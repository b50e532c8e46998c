"""Figures over seeds, held against NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer.evaluation import read_predictions
from fer.experiments.runs import Job, Row, Run
from fer.experiments.table.formatting import SPREAD
from fer.experiments.table.results import as_csv, over_seeds, results_of, runs_of
from tests.experiments.table.made_up import some_row, write


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return [
        some_row(tmp_path, "cnn", [0.61, 0.62, 0.635], skill=1.0),
        some_row(tmp_path, "better", [0.7, 0.71, 0.73], skill=2.0),
        some_row(tmp_path, "once", [0.5]),
    ]


def test_means_and_deviations_are_those_of_numpy(rows: list[Row]) -> None:
    first = results_of(rows, rows[0])[0].figures["public"]
    values = [0.61, 0.62, 0.635]
    sd = np.std(values, ddof=1)
    assert first.value == pytest.approx(np.mean(values), abs=1e-6)
    assert first.interval == pytest.approx((np.mean(values) - sd, np.mean(values) + sd), abs=1e-6)
    assert first.method == SPREAD
    assert first.seeds == (0, 1, 2)
    assert first.text == f"{100 * np.mean(values):.1f} ± {100 * sd:.1f} %"
    assert not first.on_test


def test_the_test_split_is_scored_by_its_predictions(rows: list[Row]) -> None:
    found = results_of(rows, rows[0])[1].figures
    accuracies = [read_predictions(run.judgement).test().correct.mean() for run in rows[1].runs]
    assert found["private"].value == pytest.approx(np.mean(accuracies), abs=1e-6)
    assert found["private"].on_test
    assert "deduplicated" not in found, "there is no such face"
    assert found["robustness"].value == 0.4
    assert found["speed"].text == "100 ± 0 /s"


def test_the_difference_is_paired_and_has_an_interval(rows: list[Row]) -> None:
    found = results_of(rows, rows[0])
    assert "difference" not in found[0].figures
    difference = found[1].figures["difference"]
    expected = found[1].figures["private"].value - found[0].figures["private"].value
    assert difference.value == pytest.approx(expected, abs=2e-6)
    assert difference.interval is not None
    low, high = difference.interval
    assert 0 < low < difference.value < high
    assert difference.text.startswith("+")
    assert " points (+" in difference.text


def test_a_pace_that_was_measured_by_itself_counts(rows: list[Row], tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "pace"
    paced = replace(rows[0], pace=Run("cnn", 0, folder, (Job("training", folder, ()),)))
    assert results_of([paced], None)[0].figures["speed"].text == "100 ± 0 /s"
    write(folder / "metrics.json", {"train/faces_per_second": 321.0})
    (folder / "config.yaml").write_text("seed: 0\n")
    about = {"seed": 0, "commit": "e" * 40, "dirty": False, "data": {"fingerprint": "d"}}
    write(folder / "provenance.json", about)
    found = results_of([paced], None)[0]
    assert (found.figures["speed"].text, found.figures["speed"].seeds) == ("321 /s", (0,))
    assert [run.folder for run in runs_of(found, "speed")] == [folder]
    assert [run.seed for run in runs_of(found, "public")] == [0, 1, 2]


def test_a_single_run_has_bootstrap_intervals(rows: list[Row]) -> None:
    found = results_of(rows, rows[0])[2].figures
    public, private = found["public"], found["private"]
    assert public.method == private.method == "bootstrap"
    # Of 200 faces, half of them right: 1.96 standard errors are 6.9 points.
    assert public.interval == pytest.approx((0.43, 0.57), abs=0.01)
    assert private.interval == (0.1, 0.9)


def test_what_was_not_judged_has_no_figure(tmp_path: Path) -> None:
    screened = some_row(tmp_path, "screened", [0.6], judged=False)
    other = some_row(tmp_path, "cnn", [0.6])
    found = results_of([screened], other)[0].figures
    assert set(found) == {"speed", "public"}


def test_a_run_that_has_not_ended_is_left_out(tmp_path: Path) -> None:
    row = some_row(tmp_path, "cnn", [0.6, 0.7])
    (row.runs[1].folder / "metrics.json").unlink()
    figure = results_of([row], row)[0].figures["public"]
    assert (figure.value, figure.seeds) == (0.6, (0,))


def test_marks_are_handed_on(tmp_path: Path) -> None:
    row = some_row(tmp_path, "cnn", [0.6])
    block = {"accuracy": 0.6, "accuracy_ci95": [0.5, 0.7]}
    metrics = {"official": block, "deduplicated": block, "invalid": "leaky"}
    write(row.runs[0].judgement / "metrics.json", metrics)
    assert results_of([row], None)[0].marks == ("INVALID: leaky",)


def test_no_value_is_no_figure() -> None:
    assert over_seeds({0: None}, "%") is None
    assert over_seeds({}, "%") is None


def test_every_figure_stands_in_the_csv(rows: list[Row]) -> None:
    lines = as_csv(results_of(rows, rows[0])).splitlines()
    assert lines[0] == "row,figure,value,low,high,interval,seeds"
    assert "cnn,speed,100.0,100.0,100.0,mean ± sd over seeds,0 1 2" in lines
    assert sum(line.startswith("better,") for line in lines) == 5
