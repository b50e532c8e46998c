"""What a table states: means over seeds, differences, and the written forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer.evaluation import read_predictions
from fer.experiments.runs import Job, Run, metrics_in
from fer.experiments.table.formatting import SPREAD, format_value
from fer.experiments.table.plan import Row
from fer.experiments.table.results import (
    Figure,
    as_csv,
    over_seeds,
    results_of,
    runs_of,
    where_helps,
)
from fer.experiments.table.writing import as_json, table_of, where_table
from tests.experiments.table.made_up import corrupted, some_row, write

NAMES = {"val": "PublicTest", "test": "PrivateTest", "reference": "cnn"}


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    return [
        some_row(tmp_path, "cnn", [0.61, 0.62, 0.635], skill=1.0),
        some_row(tmp_path, "cnn_lstm", [0.7, 0.71, 0.73], skill=2.5),
        some_row(tmp_path, "once", [0.5]),
    ]


def is_improvement(figure: Figure, by: float) -> bool:
    assert figure.interval is not None
    low, high = figure.interval
    return figure.value == pytest.approx(by, abs=2e-6) and 0 < low < figure.value < high


def test_means_and_deviations_are_those_of_numpy(rows: list[Row]) -> None:
    first = results_of(rows, rows[0])[0].figures["public"]
    values = [0.61, 0.62, 0.635]
    mean, sd = np.mean(values), np.std(values, ddof=1)
    assert first.value == pytest.approx(mean, abs=1e-6)
    assert first.interval == pytest.approx((mean - sd, mean + sd), abs=1e-6)
    assert (first.method, first.seeds, first.on_test) == (SPREAD, (0, 1, 2), False)
    assert first.text == f"{100 * mean:.1f} ± {100 * sd:.1f} %"


def test_the_test_split_is_scored_by_its_predictions(rows: list[Row]) -> None:
    reference, better, _ = (one.figures for one in results_of(rows, rows[0]))
    accuracies = [read_predictions(run.judgement).test().correct.mean() for run in rows[1].runs]
    assert better["private"].value == pytest.approx(np.mean(accuracies), abs=1e-6)
    assert better["private"].on_test
    assert "deduplicated" not in better, "there is no such face"
    assert better["robustness"].value == 0.4
    assert "difference" not in reference
    by = better["private"].value - reference["private"].value
    assert is_improvement(better["difference"], by)


def test_a_pace_that_was_measured_by_itself_counts(rows: list[Row], tmp_path: Path) -> None:
    folder = tmp_path / "cnn" / "pace"
    paced = replace(rows[0], pace=Run("cnn", 0, folder, (Job("training", folder, ()),)))
    assert results_of([paced], None)[0].figures["speed"].text == "100 ± 0 /s"
    write(folder / "metrics.json", {"train/faces_per_second": 321.0})
    write(folder / "provenance.json", {"seed": 0})
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


def test_what_is_missing_has_no_figure_and_marks_are_handed_on(tmp_path: Path) -> None:
    screened = some_row(tmp_path, "screened", [0.6, 0.7], judged=False)
    (screened.runs[1].folder / "metrics.json").unlink()
    marked = some_row(tmp_path, "cnn", [0.6])
    block = {"accuracy": 0.6, "accuracy_ci95": [0.5, 0.7]}
    metrics = {"official": block, "deduplicated": block, "invalid": "leaky"}
    write(marked.runs[0].judgement / "metrics.json", metrics)
    first, second = results_of([screened, marked], marked)
    assert set(first.figures) == {"speed", "public"}
    assert (first.figures["public"].value, first.figures["public"].seeds) == (0.6, (0,))
    assert second.marks == ("INVALID: leaky",)
    assert where_helps(screened, marked) is None
    assert over_seeds({0: None}, "%") is over_seeds({}, "%") is None


def test_recalls_and_corruptions_of_two_rows(rows: list[Row]) -> None:
    row, reference = corrupted(rows[1], gain=0.05), corrupted(rows[0], gain=0.0)
    pair = where_helps(row, reference)
    assert pair is not None
    theirs, ours = (one.figures for one in pair)
    recalls = []
    for run in row.runs:
        test = read_predictions(run.judgement).test()
        recalls.append(test.correct[test.label == 1].mean())
    recall = ours["recall-dog"]
    assert recall.value == pytest.approx(np.mean(recalls), abs=1e-6)
    assert (recall.on_test, recall.seeds) == (True, (0, 1, 2))
    assert is_improvement(ours["gain-recall-dog"], recall.value - theirs["recall-dog"].value)
    # Of seeds 0 to 2: 0.3 and 0.4, with 0.01 a seed.
    means = {"light": 0.36, "head_angle": 0.51, "nothing": 0.6}
    for name, mean in means.items():
        assert theirs[f"under-{name}"].value == pytest.approx(mean)
    assert ours["gain-under-light"].text == "+5.0 ± 0.0 points"
    assert not ours["gain-under-light"].on_test
    text = where_table(pair, NAMES).markdown(pair)
    assert text.splitlines()[0] == "|  | `cnn` | `cnn_lstm` | difference |"
    assert "| PrivateTest, recall of dog | " in text
    assert "| – |" not in text
    assert "| PublicTest, corrupted: head angle | 51.0 ± 1.0 % | 56.0 ± 1.0 % | +5.0" in text
    # Without robustness classes alone are compared.
    for run in reference.runs:
        metrics = {**(metrics_in(run.judgement) or {}), "robustness": None}
        write(run.judgement / "metrics.json", metrics)
    alone = where_helps(row, reference)
    assert alone is not None
    assert list(alone[0].figures) == ["recall-cat", "recall-dog", "recall-eel"]
    assert len(alone[1].figures) == 6


def test_every_form_has_every_figure(tmp_path: Path) -> None:
    results = results_of([some_row(tmp_path / "clips", "cnn", [0.6, 0.62])], None)
    table = table_of({"cnn": "the cnn", "missing": "another"}, "families", NAMES)
    header, _, cnn, missing = table.markdown(results).splitlines()
    assert header.startswith(
        "|  | row | parameters | multiply-adds | training faces a second | Pub"
    )
    assert "PrivateTest: difference to `cnn`" in header
    assert cnn.startswith("| the cnn | `cnn` | – | – | 100 ± 0 /s | 61.0 ± 1.4 % |")
    assert missing.startswith("| another | `missing` | – | – |")
    lines = as_csv(results).splitlines()
    assert lines[0] == "row,figure,value,low,high,interval,seeds"
    assert "cnn,speed,100.0,100.0,100.0,mean ± sd over seeds,0 1" in lines
    found = as_json(table, results, tmp_path / "faces")
    assert (found["kind"], found["header"]) == ("families", table.header)
    (result,) = found["results"]
    public = result["figures"]["public"]
    assert len(result["figures"]) == len(lines) - 1
    assert (public["text"], public["seeds"]) == ("61.0 ± 1.4 %", (0, 1))
    # Rows of clips lie beside the folder of faces.
    assert public["runs"] == ["../clips/cnn/seed0", "../clips/cnn/seed1"]
    clips = table_of({"clip_lstm": "an LSTM"}, "clips", NAMES).header
    assert "training clips a second" in clips
    assert not any("copies" in text for text in clips)


@pytest.mark.parametrize(
    ("value", "unit", "interval", "text"),
    [
        (0.60606, "%", (0.591, 0.62186), "60.6 % (59.1–62.2)"),
        (0.4549, "number", (0.4, 0.5), "0.45 (0.40–0.50)"),
        (0.134, "ms", None, "0.13 ms"),
        (9512.7, "/s", None, "9,513 /s"),
        ("leaked", "word", None, "leaked"),
        (6307, "count", None, "6,307"),
        (57_665_280, "count", None, "57.7 M"),
        (1_234_567_890, "count", None, "1,235 M"),
    ],
)
def test_a_value_in_its_unit(
    value: float | str, unit: str, interval: tuple[float, float] | None, text: str
) -> None:
    assert format_value(value, unit, interval) == text
