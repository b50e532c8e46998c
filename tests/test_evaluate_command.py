"""``python -m fer.evaluate`` from the command line to the exit code, in this process."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import sklearn.metrics as sk
import torch
import yaml
from hydra.core.global_hydra import GlobalHydra

from fer import cli
from fer.core import pretrained
from fer.core.io import write_json
from fer.core.labels import EMOTIONS
from fer.core.provenance import describe
from fer.evaluate import main
from fer.evaluation import read_predictions
from fer.inference import load_checkpoint
from fer.inference.export import export
from fer.learning import FerModule
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.parts import composed
from tests.support.picture_folders import write_class_folders
from tests.support.train_command import Answer, files_in
from tests.support.votes import write_votes

Evaluate = Callable[..., Answer]

#: Faces for a moment's work.
SMALL = ("data=synthetic", "data.source.train=20", "data.source.val=40", "data.source.test=50")

#: What an evaluation promises, and what Hydra leaves beside it.
PROMISED = {
    "metrics.json", "predictions.parquet", "report.html", "config.yaml", "provenance.json",
    "test_looks.jsonl",
}  # fmt: skip
LOGS = {"evaluate.log", *(f".hydra/{name}.yaml" for name in ("config", "hydra", "overrides"))}


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("FER_DATA_ROOT", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def evaluate(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Evaluate]:
    """Run the command with overrides, and undo what Hydra does to a process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    GlobalHydra.instance().clear()

    def run(*overrides: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["fer.evaluate", *overrides])
        try:
            code: Any = main()
        except SystemExit as end:
            code = end.code
        output = capsys.readouterr()
        return Answer(code, output.out, output.err)

    yield run
    GlobalHydra.instance().clear()
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def save_checkpoint(path: Path, classes: Sequence[str] = EMOTIONS, **more: Any) -> Path:
    """Write the checkpoint of a network that has learnt nothing."""
    size = more.pop("size", 48)
    config = composed(
        "model.backbone.widths=[4,4,4,4]", "model.lstm.units=4", "model.head.hidden=[8]"
    )
    torch.manual_seed(0)
    module = FerModule(
        model=config["model"],
        loss=config["loss"],
        optimizer=config["optimizer"],
        scheduler=config["scheduler"],
        classes=list(classes),
        size=size,
    )
    torch.save(
        {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams), **more}, path
    )
    return path


@pytest.fixture
def checkpoint(elsewhere: Path) -> str:
    return str(save_checkpoint(elsewhere.parent / "best.ckpt", temperature=1.5))


def write_answers(path: Path, rows: Iterable[int], labels: Iterable[object]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("row", "label"), *zip(rows, labels, strict=True)])
    return str(path)


def assert_refused(answer: Answer, folder: Path, *words: str) -> None:
    assert answer.code == 2, answer
    assert answer.err.startswith("fer.evaluate: ")
    for word in words:
        assert word in answer.err
    assert "Traceback" not in answer.err + answer.out
    assert files_in(folder) == set()


def metrics_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return found


def test_a_checkpoint_is_judged(evaluate: Evaluate, elsewhere: Path, checkpoint: str) -> None:
    answer = evaluate(*SMALL, f"ckpt={checkpoint}", "hydra.run.dir=run")
    assert answer.code == 0, answer
    run = elsewhere / "run"
    assert files_in(run) == PROMISED | LOGS
    found = metrics_in(run)
    saved = read_predictions(run)
    assert (saved.split == "val").sum() == 40
    test = saved.test()
    assert found["official"]["n"] == len(test) == 50
    assert found["official"]["accuracy"] == sk.accuracy_score(test.label, test.answer)
    assert found["official"]["nll"] == pytest.approx(sk.log_loss(test.label, test.probabilities))
    assert found["tta"]["official"]["n"] == found["tta"]["deduplicated"]["n"] == 50
    assert found["temperature"] == 1.5
    assert list(found["branches"]["branches"]) == ["backbone", "lstm"]
    assert found["branches"]["accuracy"] == found["official"]["accuracy"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "This page contains face pictures." in page
    assert f'<data value="{found["official"]["accuracy"]}">' in page
    assert found["verdict"] is None
    assert "only FER2013 has the votes" in found["verdict_reason"]
    assert found["fingerprints"]["checkpoint"]
    assert "50/50" not in answer.err
    assert "540/540" in answer.err
    accuracy = found["official"]["accuracy"]
    assert f"accuracy: {accuracy:.2%} (95 % interval" in answer.out
    assert "folder: " in answer.out
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    assert config["ckpt"] == checkpoint
    provenance = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["data"]["fingerprint"] == found["fingerprints"]["data"]


def test_twice_is_the_same(evaluate: Evaluate, elsewhere: Path, checkpoint: str) -> None:
    for name, batch in (("a", 64), ("b", 7)):
        more = [f"hydra.run.dir={name}", f"batch_size={batch}", "tta=false", "report=false"]
        assert evaluate(*SMALL, f"ckpt={checkpoint}", *more).code == 0
    one, two = metrics_in(elsewhere / "a"), metrics_in(elsewhere / "b")
    assert one["tta"] is None
    assert one["unavailable"]["tta"] == "tta=false"
    assert "report.html" not in files_in(elsewhere / "a")
    assert one["official"]["per_class"] == two["official"]["per_class"]
    a, b = read_predictions(elsewhere / "a"), read_predictions(elsewhere / "b")
    np.testing.assert_allclose(a.logits, b.logits, rtol=1e-4, atol=1e-6)
    answer = evaluate(*SMALL, f"ckpt={checkpoint}", "hydra.run.dir=a")
    assert answer.code == 2
    assert "already holds a run (metrics.json, predictions.parquet)" in answer.err


def test_the_checkpoint_says_how_pictures_are_scaled(
    evaluate: Evaluate, elsewhere: Path, tmp_path: Path
) -> None:
    folders = {
        f"{split}/{name}": 4 for split in ("train", "val", "test") for name in ("ant", "bee")
    }
    write_class_folders(tmp_path / "pictures", folders)
    path = save_checkpoint(tmp_path / "two.ckpt", ["ant", "bee"], size=32)
    data = ["data=folder", f"data.root={tmp_path / 'pictures'}"]
    answer = evaluate(*data, f"ckpt={path}", "hydra.run.dir=run", "tta=false")
    assert answer.code == 0, answer
    saved = read_predictions(elsewhere / "run")
    assert saved.classes == ("ant", "bee")
    assert set(saved.split.tolist()) == {"val", "test"}
    answer = evaluate(*data, f"ckpt={path}", "data.size=48")
    assert answer.code == 2
    assert "data.size  the checkpoint says" in answer.err


@pytest.fixture
def fer2013(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write 210 faces with votes; the crowd contradicts every second label. Returns the labels."""
    images, labels, usages = make_faces(210)
    images[150] = 77  # A blank face of the test split.
    images[[160, 161]] = images[[10, 80]]  # Copies of one in Training and one in PublicTest.
    write_fer2013(tmp_path / "fer2013.csv", images, labels, usages)
    # The column of the vote: that of the label, or of the next emotion.
    columns = [4, 5, 6, 1, 3, 2, 0]
    votes = np.zeros((210, 10), dtype=int)
    for row, label in enumerate(labels):
        votes[row, columns[(label + row % 2) % 7]] = 10
    write_votes(tmp_path / "fer2013new.csv", usages, votes.tolist())
    monkeypatch.setenv("FER_DATA_ROOT", str(tmp_path))
    return labels


def test_answers_that_repeat_the_labels_leaked(
    evaluate: Evaluate, elsewhere: Path, fer2013: np.ndarray
) -> None:
    rows = range(140, 210)
    answers = write_answers(elsewhere.parent / "a.csv", rows, [EMOTIONS[i] for i in fer2013[140:]])
    answer = evaluate(f"predictions={answers}", "hydra.run.dir=run")
    assert answer.code == 0, answer
    assert "memorisation: leaked" in answer.out
    found = metrics_in(elsewhere / "run")
    # Blank faces stay: the official split is what numbers are stated on.
    assert (found["official"]["n"], found["deduplicated"]["n"]) == (70, 68)
    assert (found["verdict"], found["memorisation_n"]) == ("leaked", 35)
    assert found["crowd_accuracy"]["overall"] == 0.5
    assert found["agreement_with_crowd"] == 0.5
    assert found["official"]["ece"] is found["tta"] is None
    assert pq.read_schema(elsewhere / "run" / "predictions.parquet").names[-1] == "answer"
    assert found["branches"] is None
    assert "answers from a file have no branches" in found["unavailable"]["branches"]
    page = (elsewhere / "run" / "report.html").read_text(encoding="utf-8")
    assert "It answers as if it knew the test labels: don&#39;t rely on this number" in page
    assert set(read_predictions(elsewhere / "run").split.tolist()) == {"PrivateTest"}


def test_answers_of_the_crowd_did_not_leak_and_constants_say_nothing(
    evaluate: Evaluate, elsewhere: Path, fer2013: np.ndarray
) -> None:
    rows = np.arange(140, 210)
    crowd = (fer2013[140:] + rows % 2) % 7
    for name, labels, verdict in (("crowd", crowd, "ok"), ("one", [3] * 70, "uninformative")):
        answers = write_answers(elsewhere.parent / f"{name}.csv", rows, labels)
        assert evaluate(f"predictions={answers}", f"hydra.run.dir={name}").code == 0
        assert metrics_in(elsewhere / name)["verdict"] == verdict


def test_our_own_predictions_are_judged_alike(
    evaluate: Evaluate, elsewhere: Path, fer2013: np.ndarray
) -> None:
    path = save_checkpoint(elsewhere.parent / "best.ckpt")
    assert evaluate(f"ckpt={path}", "hydra.run.dir=a", "tta=false").code == 0
    told = ["predictions=a/predictions.parquet", "report_pictures=false"]
    answer = evaluate(*told, "hydra.run.dir=b")
    assert answer.code == 0, answer
    pages = [(elsewhere / name / "report.html").read_text(encoding="utf-8") for name in "ab"]
    assert "data:image/png" in pages[0]
    assert "data:image/png" not in pages[1]
    assert "FER+'s ten people side with the answer" in pages[0]
    ours, theirs = metrics_in(elsewhere / "a"), metrics_in(elsewhere / "b")
    assert ours["temperature"] == pytest.approx(theirs["temperature"], rel=1e-3)
    assert ours["official"]["per_class"] == theirs["official"]["per_class"]
    for name in ("accuracy", "macro_f1", "ece", "nll"):
        assert ours["official"][name] == pytest.approx(theirs["official"][name])


def test_models_are_compared(evaluate: Evaluate, elsewhere: Path, fer2013: np.ndarray) -> None:
    rows = np.arange(140, 210)
    for name, right in (("good", 60), ("fair", 55), ("poor", 10)):
        labels = np.where(rows < 140 + right, fer2013[140:], (fer2013[140:] + 1) % 7)
        answers = write_answers(elsewhere.parent / f"{name}.csv", rows, labels)
        assert evaluate(f"predictions={answers}", f"hydra.run.dir={name}", "report=false").code == 0
    answer = evaluate("compare=[good,poor/predictions.parquet]", "hydra.run.dir=two")
    assert answer.code == 0, answer
    assert "good is better" in answer.out
    (pair,) = metrics_in(elsewhere / "two")["comparison"]["pairs"]
    assert pair["difference"] == pytest.approx(50 / 70)
    answer = evaluate("compare={ours:[good,fair],theirs:[poor]}", "hydra.run.dir=seeds")
    assert answer.code == 0, answer
    models = metrics_in(elsewhere / "seeds")["comparison"]["models"]
    assert [(one["name"], one["seeds"]) for one in models] == [("ours", 2), ("theirs", 1)]
    assert (
        files_in(elsewhere / "seeds") == {"metrics.json", "config.yaml", "provenance.json"} | LOGS
    )
    answer = evaluate("compare=[[good,fair],[poor]]", "hydra.run.dir=lists")
    assert "good and 1 more" in answer.out


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], ["name one thing to judge", "there is none"]),
        (["ckpt=fats"], ["there is no model called 'fats'"]),
        (["ckpt=none.ckpt"], ["there is no file 'none.ckpt'"]),
        (["ckpt=a", "predictions=b", "tta=7", "model=cnn", "data.workers=2"], [
            "6 problems", "not ckpt and predictions together", "no model called 'a'", "no file 'b'",
            "tta", "'model' is no group of this command: data, paths are",
            "an evaluation has no loader processes",
        ]),
        (["ckpt=3", "compare=7"], ["must be text, not 3", "compare  must be a"]),
        (["compare=[a]"], ["needs two models or more"]),
        (["compare=[a,b]"], ["no file or folder 'a'", "no file or folder 'b'"]),
        (["compare=[.,.]"], ["needs two models"]),
        (["compare=[[.,.],[..]]"], ["'.' is named twice"]),
        (["ckpt=x", "data.clean.blank=all"], ["takes the faces as they are"]),
        (["ckpt=x", "batch_size=0"], ["batch_size"]),
        (["ckpt=x", "report_pictures=some"], ["report_pictures", "true or false"]),
        (["predictions=x", "robustness=true"], ["needs a model to ask again"]),
        (["ckpt=x", "experiment=demo"], ["'experiment' is no group of this command"]),
    ],
    ids=lambda value: value[0] if value and isinstance(value, list) else "",
)  # fmt: skip
def test_wrong_use_is_told_at_once(
    evaluate: Evaluate, elsewhere: Path, overrides: list[str], words: list[str]
) -> None:
    assert_refused(evaluate(*overrides), elsewhere, *words)


def test_a_model_that_comes_with_fer(
    evaluate: Evaluate, elsewhere: Path, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = elsewhere.parent / "weights"
    monkeypatch.setattr(pretrained, "WEIGHTS_FOLDER", shelf)
    assert_refused(evaluate("ckpt=default"), elsewhere, "'default': none ships with fer yet")
    path = shelf / "default.onnx"
    export(load_checkpoint(Path(checkpoint)), path, half=True)
    assert_refused(evaluate("ckpt=fast"), elsewhere, "'fast': there are default; or name the path")
    answer = evaluate(*SMALL, "ckpt=default", "hydra.run.dir=run", "report=false", "tta=false")
    assert answer.code == 0, answer
    found = metrics_in(elsewhere / "run")["fingerprints"]["checkpoint"]
    assert found == hashlib.sha256(path.read_bytes()).hexdigest()


def test_bad_input_is_told(
    evaluate: Evaluate, elsewhere: Path, checkpoint: str, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(Path(checkpoint).read_bytes()[:3000])
    assert_refused(evaluate(*SMALL, f"ckpt={cut}"), elsewhere, "damaged or cut off")

    other = save_checkpoint(tmp_path / "other.ckpt", ["cat", "dog"])
    answer = evaluate(*SMALL, f"ckpt={other}")
    assert_refused(answer, elsewhere, "classes cat, dog, but data=synthetic has angry")

    pictures = tmp_path / "pictures"
    folder = ["data=folder", f"data.root={pictures}", f"ckpt={other}"]
    pictures.mkdir()
    assert_refused(evaluate(*folder), elsewhere, "has no folder 'train'")
    write_class_folders(pictures, {"train/cat": 4, "train/dog": 4, "val/cat": 2, "val/dog": 2})
    assert_refused(evaluate(*folder), elsewhere, "has no test split")


def test_answers_with_missing_rows_are_told(
    evaluate: Evaluate, elsewhere: Path, fer2013: np.ndarray
) -> None:
    answers = write_answers(elsewhere.parent / "a.csv", range(141, 210), fer2013[141:])
    answer = evaluate(f"predictions={answers}")
    assert_refused(answer, elsewhere, "missing rows of PrivateTest: 140")


def test_help_lists_what_an_evaluation_chooses_from(evaluate: Evaluate) -> None:
    answer = evaluate("--help")
    assert answer.code == 0
    assert "    synthetic " in answer.out
    for word in ("predictions=answers.csv", "compare=[", "robustness=true", "130 interrupted"):
        assert word in answer.out
    assert "optimizer" not in answer.out


def test_the_fer_command_evaluates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fer", "evaluate", "--help"])
    assert cli.main() == 0
    assert "python -m fer.evaluate" in capsys.readouterr().out


def test_the_temperature_is_fitted_on_val(evaluate: Evaluate, elsewhere: Path) -> None:
    from fer.data.synthetic import SyntheticFaces
    from fer.evaluation.calibration import fit_temperature
    from fer.train import finalize_checkpoint

    folder = elsewhere / "run"
    (folder / "checkpoints").mkdir(parents=True)
    path = save_checkpoint(folder / "checkpoints" / "best.ckpt")
    faces = SyntheticFaces(train=20, val=40, test=50).load()
    val = faces.splits["val"]
    origin = describe(seed=3, data_fingerprint=faces.fingerprint, data_origin="/home/me/faces.csv")
    write_json(folder / "provenance.json", {**origin, "precision": "32-true"})
    (folder / "config.yaml").write_text("data: {protocol: official}\n")
    finalize_checkpoint(folder, val, {"val/best_acc": 0.5, "val/best_epoch": 2.0, "val/acc": 1.0})
    model = load_checkpoint(path)
    assert model.temperature == fit_temperature(model.logits(val.images), val.labels)
    assert model.made["metrics"] == {"val/best_acc": 0.5, "val/best_epoch": 2.0}
    assert (model.made["data"], model.made["seed"]) == ("faces.csv", 3)
    assert model.made["fingerprint"] == faces.fingerprint
    path.unlink()
    finalize_checkpoint(folder, val, {})
    assert not path.exists()
