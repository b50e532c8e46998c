"""``python -m fer.baseline`` from the command line to the exit code, in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as sk

from fer.baseline import main
from fer.evaluation import read_predictions
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.train_command import Answer, files_in

SMALL = ("data=synthetic", "data.source.train=140", "data.source.val=70", "data.source.test=70")
SMALL = (*SMALL, "hog.cell=12", "C=[0.001,0.1]", "tta=false")
PROMISED = {
    "metrics.json", "predictions.parquet", "report.html", "weights.npz", "config.yaml",
    "provenance.json", "cleaning.csv", "test_looks.jsonl",
}  # fmt: skip

Baseline = Callable[..., Answer]


@pytest.fixture
def baseline(
    clean_process: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Baseline:
    def run(*overrides: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["fer.baseline", *overrides])
        try:
            code: object = main()
        except SystemExit as end:
            code = end.code
        output = capsys.readouterr()
        return Answer(code, output.out, output.err)

    return run


@pytest.mark.parametrize("method", ["logistic", "linear_svm"])
def test_a_run_is_judged_as_every_other(baseline: Baseline, elsewhere: Path, method: str) -> None:
    answer = baseline(
        *SMALL, f"method={method}", "hydra.run.dir=run", "report_pictures=false", "test=true"
    )
    assert answer.code == 0, answer
    folder = elsewhere / "run"
    logs = {"baseline.log", *(f".hydra/{x}.yaml" for x in ("config", "hydra", "overrides"))}
    assert files_in(folder) == PROMISED | logs
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    test = read_predictions(folder).test()
    assert len(test) == 70
    for name, value in {
        "acc": sk.accuracy_score(test.label, test.answer),
        "macro_f1": sk.f1_score(test.label, test.answer, average="macro"),
        "balanced_acc": sk.balanced_accuracy_score(test.label, test.answer),
        "loss": sk.log_loss(test.label, test.probabilities),
    }.items():
        assert metrics[f"test/{name}"] == pytest.approx(value), name
    assert metrics["official"]["accuracy"] == metrics["test/acc"] > 0.3
    val = read_predictions(folder).of("val")
    assert metrics["val/acc"] == metrics["val/best_acc"] == val.correct.mean()
    assert metrics["C"] in (0.001, 0.1)
    assert metrics["parameters"] == 7 * (3 * 3 * 4 * 9 + 1)
    # Calibrated on the validation split, as a network is.
    assert metrics["temperature"] > 0
    assert metrics["tta"] is None
    assert "linear model" in (folder / "report.html").read_text(encoding="utf-8")
    assert "C=0.001: validation accuracy" in answer.out
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["faces"] == {"train": 140, "val": 70, "test": 70}


def test_the_better_penalty_is_taken_by_the_validation_split_alone(
    baseline: Baseline, elsewhere: Path
) -> None:
    answer = baseline(*SMALL, "C=[1e-9,0.01]", "hydra.run.dir=run")
    assert answer.code == 0, answer
    metrics = json.loads((elsewhere / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["C"] == 0.01
    assert not [name for name in metrics if name.startswith("test/") or name == "official"]
    assert not (elsewhere / "run" / "predictions.parquet").exists()


def test_the_same_command_gives_the_same_numbers(baseline: Baseline, elsewhere: Path) -> None:
    for name in ("first", "second"):
        command = (*SMALL, "method=linear_svm", f"hydra.run.dir={name}")
        assert baseline(*command).code == 0
    texts = [(elsewhere / x / "metrics.json").read_text() for x in ("first", "second")]
    assert texts[0] == texts[1]


def test_cleaning_changes_what_is_learnt_and_not_what_is_judged(
    baseline: Baseline, elsewhere: Path
) -> None:
    images, labels, usages = make_faces()
    images[-1] = images[0]
    write_fer2013(elsewhere / "fer2013.csv", images, labels, usages)
    answer = baseline(
        "data.root=fer2013.csv", "data.clean.duplicates=across", "report=false", "tta=false",
        "C=[0.01]", "hydra.run.dir=run", "hog.cell=12", "test=true",
    )  # fmt: skip
    assert answer.code == 0, answer
    metrics = json.loads((elsewhere / "run" / "metrics.json").read_text(encoding="utf-8"))
    provenance = json.loads((elsewhere / "run" / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["faces"] == {"train": 19, "val": 20, "test": 20}
    assert metrics["split"] == "PrivateTest"
    # The copy that was left out of training was there, for others to have seen.
    assert (metrics["official"]["n"], metrics["deduplicated"]["n"]) == (20, 19)
    splits = read_predictions(elsewhere / "run").split
    assert set(np.unique(splits)) == {"PublicTest", "PrivateTest"}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("method=svm",), "\n  method  must be 'logistic' or 'linear_svm'"),
        (("C=[]",), "\n  C  List should have at least 1 item"),
        (("C=[0]",), "\n  C  [0] must be greater than 0"),
        (("hog.cell=30",), "a block of 2 cells doesn't fit into a face of 48"),
        (("data.protocol=resplit",), "baselines take the official split alone"),
        (("data=fer2013",), "FER2013 not found"),
        (("hog.cel=3",), "did you mean 'hog.cell'?"),
    ],
)
def test_mistakes_are_told_in_one_message(
    baseline: Baseline, elsewhere: Path, overrides: tuple[str, ...], words: str
) -> None:
    given = SMALL[1:4] if overrides[0].startswith("data=") else SMALL[:4]
    answer = baseline(*(() if overrides == ("data=fer2013",) else given), *overrides)
    assert answer.code == 2, answer
    assert answer.err.startswith("fer.baseline: ")
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert files_in(elsewhere) == set()


def test_a_class_without_training_faces_is_told(baseline: Baseline, elsewhere: Path) -> None:
    answer = baseline(*SMALL, "data.source.train=3", "hydra.run.dir=run")
    assert answer.code == 2, answer
    assert "has no training face of" in answer.err


def test_help_shows_examples(baseline: Baseline) -> None:
    answer = baseline("--help")
    assert answer.code == 0
    assert "python -m fer.baseline method=linear_svm test=true" in answer.out
