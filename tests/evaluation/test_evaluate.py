"""The whole judgement, held against scikit-learn on the predictions that it is saved with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy.special import softmax

from fer.core.labels import EMOTIONS
from fer.data.fer2013_reference import AnnotatorVotes
from fer.evaluation import (
    EvaluationInput,
    evaluate_predictions,
    read_predictions,
    write_predictions,
)
from fer.evaluation.calibration import (
    calibration_error,
    calibration_error_by_chance,
    fit_temperature,
)
from fer.evaluation.text_report import metrics_table
from tests.support.answers import NAMES, some_faces, some_predictions

FACES = some_faces(val=200, test=300, classes=EMOTIONS)
P = some_predictions(FACES, skill=2.0)
COPIED = np.arange(300) < 60


def a_crowd() -> AnnotatorVotes:
    """Return votes that contradict a third of the labels and are silent on a tenth."""
    rows = max(split.rows.max() for split in FACES.splits.values()) + 1
    label = np.zeros(rows, dtype=np.int64)
    for split in FACES.splits.values():
        label[split.rows] = split.labels
    winner = np.where(np.arange(rows) % 3 == 0, (label + 1) % 7, label)
    winner[np.arange(rows) % 10 == 0] = -1
    return AnnotatorVotes(np.zeros((rows, 10), dtype=np.int64), winner, winner, "votes")


def case(**changed: Any) -> EvaluationInput:
    return EvaluationInput(
        **{"predictions": P, "faces": FACES, "names": NAMES, "copied": COPIED, **changed}
    )


def test_every_figure_is_scikit_learns_on_the_saved_predictions(tmp_path: Path) -> None:
    views = np.stack([P.test().logits] * 2 + [-P.test().logits / 9])
    found = json.loads(json.dumps(evaluate_predictions(case(views=views)), allow_nan=False))
    write_predictions(tmp_path / "predictions.parquet", P)
    saved = read_predictions(tmp_path)
    test, val = saved.test(), saved.of("val")
    temperature = fit_temperature(val.logits, val.label)
    assert found["temperature"] == temperature
    single = (softmax(test.logits.astype(float), axis=1), test.logits.astype(float) / temperature)
    mean = softmax(views.astype(float), axis=-1).mean(axis=0)
    tempered = softmax(views.astype(float) / temperature, axis=-1).mean(axis=0)
    for blocks, p, calibrated in (
        (found, single[0], softmax(single[1], axis=1)),
        (found["tta"], mean, tempered),
    ):
        for name, chosen in (("official", np.ones(300, dtype=bool)), ("deduplicated", ~COPIED)):
            label, some = test.label[chosen], p[chosen]
            # As the network answers in use: by its calibrated probabilities.
            answer = calibrated[chosen].argmax(axis=1)
            ours = blocks[name]
            assert ours["n"] == chosen.sum()
            assert ours["accuracy"] == pytest.approx(sk.accuracy_score(label, answer))
            f1 = sk.f1_score(label, answer, average="macro")
            assert ours["macro_f1"] == pytest.approx(f1)
            balanced = sk.balanced_accuracy_score(label, answer)
            assert ours["balanced_accuracy"] == pytest.approx(balanced)
            assert ours["nll"] == pytest.approx(sk.log_loss(label, some, labels=range(7)))
            assert ours["ece"] == pytest.approx(calibration_error(label, some))
            after = calibration_error(label, calibrated[chosen])
            assert ours["ece_calibrated"] == pytest.approx(after)
            assert ours["accuracy_ci95"][0] < ours["accuracy"] < ours["accuracy_ci95"][1]
            null = calibration_error_by_chance(calibrated[chosen])
            assert ours["ece_null"] == pytest.approx(null)
    brightness = found["slices"]["brightness"]
    assert sum(part["n"] * part["accuracy"] for part in brightness) == pytest.approx(
        300 * found["official"]["accuracy"]
    )


def test_ten_views_are_judged_on_what_answers_in_use() -> None:
    """Tempered, two views that lean to the label outweigh one that is sure of another class."""
    label = P.test().label
    views = np.zeros((3, len(label), 7), dtype=np.float32)
    rows = np.arange(len(label))
    views[:2, rows, label] = 2.0
    views[2, rows, (label + 1) % 7] = 9.0
    wrong = evaluate_predictions(case(views=views, temperature=1.0))["tta"]["official"]
    right = evaluate_predictions(case(views=views, temperature=0.5))["tta"]["official"]
    assert (wrong["accuracy"], right["accuracy"]) == (0.0, 1.0)
    # What is calibrated is another matter than what was before.
    assert wrong["ece"] == right["ece"] != right["ece_calibrated"]


def test_a_model_brings_its_temperature() -> None:
    assert evaluate_predictions(case(temperature=3.0))["temperature"] == 3.0


def test_the_test_split_does_not_move_the_temperature() -> None:
    test = P.split == "test"
    other = replace(P, logits=np.where(test[:, None], -P.logits, P.logits))
    assert (
        evaluate_predictions(case(predictions=other))["temperature"]
        == evaluate_predictions(case())["temperature"]
    )


def test_without_views_and_votes_the_reasons_are_told() -> None:
    found = evaluate_predictions(case(why_not={"tta": "tta=false", "crowd": "no votes here"}))
    assert found["tta"] is None
    assert found["unavailable"]["tta"] == "tta=false"
    for name in ("memorisation_rate", "memorisation_ratio", "memorisation_n", "verdict",
                 "agreement_with_crowd", "crowd_accuracy"):  # fmt: skip
        assert found[name] is None
        assert found["unavailable"][name] == "no votes here"
    assert "no votes here" in found["verdict_reason"]


def test_labels_alone_leave_out_what_they_cannot_tell() -> None:
    labels = replace(P, probabilities=None, logits=None)
    found = evaluate_predictions(case(predictions=labels))
    for name in ("ece", "ece_calibrated", "ece_null", "nll"):
        assert found["official"][name] is found["deduplicated"][name] is None
        assert "labels" in found["unavailable"][name]
    assert found["temperature"] is None
    assert found["official"]["accuracy"] == evaluate_predictions(case())["official"]["accuracy"]


def test_probabilities_without_val_have_no_temperature() -> None:
    found = evaluate_predictions(case(predictions=replace(P, logits=None).test()))
    assert found["temperature"] is found["official"]["ece_calibrated"] is None
    assert "0 of its 200 faces" in found["unavailable"]["ece_calibrated"]
    assert found["official"]["ece"] == evaluate_predictions(case())["official"]["ece"]


def test_probabilities_are_tempered_like_logits() -> None:
    theirs = evaluate_predictions(case(predictions=replace(P, logits=None)))
    ours = evaluate_predictions(case())
    assert theirs["temperature"] == pytest.approx(ours["temperature"], rel=1e-4)
    assert theirs["official"]["ece_calibrated"] == pytest.approx(
        ours["official"]["ece_calibrated"], abs=1e-4
    )


def test_a_model_of_the_test_labels_leaked_and_an_honest_one_did_not() -> None:
    crowd = a_crowd()
    label = P.label
    leaked = replace(P, answer=label, probabilities=None, logits=None)
    assert evaluate_predictions(case(predictions=leaked, crowd=crowd))["verdict"] == "leaked"
    winner = crowd.winner[P.row]
    honest = np.where((winner >= 0) & (np.arange(len(P)) % 5 > 0), winner, label)
    found = evaluate_predictions(case(predictions=replace(leaked, answer=honest), crowd=crowd))
    assert found["verdict"] == "ok", found["verdict_reason"]
    contradicted = (winner >= 0) & (winner != label) & (P.split == "test")
    assert found["memorisation_n"] == contradicted.sum()
    rate = (honest == label)[contradicted].mean()
    assert found["memorisation_rate"] == rate
    others = ~contradicted & (P.split == "test")
    assert found["memorisation_ratio"] == pytest.approx(rate / (honest == label)[others].mean())


def test_the_order_of_the_answers_does_not_matter() -> None:
    mixed = P.take(np.random.default_rng(0).permutation(len(P)))
    ours, theirs = evaluate_predictions(case()), evaluate_predictions(case(predictions=mixed))
    assert theirs["official"]["accuracy"] == ours["official"]["accuracy"]
    assert theirs["slices"] == ours["slices"]


def test_other_faces_are_refused() -> None:
    for wrong in (P.of("val"), P.take(np.arange(len(P)) < len(P) - 1)):
        with pytest.raises(ValueError, match="each once"):
            evaluate_predictions(case(predictions=wrong))


def test_a_test_split_of_copies_has_no_deduplicated_score() -> None:
    found = evaluate_predictions(case(copied=np.ones(300, dtype=bool)))
    assert found["deduplicated"] is None
    assert "every test face" in found["unavailable"]["deduplicated"]
    assert "without copies" not in metrics_table(found)


def test_a_marked_model_is_marked_everywhere() -> None:
    found = evaluate_predictions(case(marks={"invalid": "it was trained on <the test>"}))
    assert next(iter(found)) == "invalid"
    assert metrics_table(found).endswith(
        "INVALID, by its training run: it was trained on <the test>\n"
    )


def test_the_table_says_the_headline() -> None:
    found = evaluate_predictions(case(crowd=a_crowd()))
    table = metrics_table(found)
    accuracy = found["official"]["accuracy"]
    assert f"accuracy: {accuracy:.2%} (95 % interval" in table
    assert f"memorisation: {found['verdict']}" in table


def test_logits_are_needed_for_nothing_but_the_temperature() -> None:
    without = evaluate_predictions(case(predictions=replace(P, logits=None), temperature=1.5))
    assert without["official"]["ece_calibrated"] == pytest.approx(
        evaluate_predictions(case(temperature=1.5))["official"]["ece_calibrated"], abs=1e-6
    )


def test_metadata_that_is_not_shown_has_its_reason() -> None:
    test = FACES.splits["test"]
    metadata = {"name": np.array([f"person {i}" for i in range(300)]), "age": np.arange(300.0)}
    faces = replace(FACES, splits={**FACES.splits, "test": replace(test, metadata=metadata)})
    found = evaluate_predictions(case(faces=faces, why_not={"metadata": "it reads age in vain"}))
    assert "metadata.age" in found["slices"]
    assert "more than 20 values" in found["unavailable"]["slices.metadata.name"]
    assert found["unavailable"]["metadata"] == "it reads age in vain"
    assert "metadata: it reads age in vain\n" in metrics_table(found)
