"""Models that come with the package: those that are there, and any that is put there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fer
from fer.cli import main as cli
from fer.config.compose import compose
from fer.config.issues import ConfigError
from fer.config.validate import check_training, with_pretrained_paths
from fer.core import pretrained
from fer.core.errors import UserError
from fer.inference.checkpoint import MAKING
from tests.inference.conftest import checkpoint
from tests.support.shipped import complaints, names_in, size_of
from tools import ship

MADE = {
    "version": "0.1.0", "commit": "c0ffee", "dirty": False, "seed": 3, "time": "2026-01-01",
    "precision": "32-true", "data": "fer2013.csv", "fingerprint": "ab12", "protocol": "official",
    "metrics": {"val/best_acc": 0.5, "val/best_epoch": 1},
}  # fmt: skip
COMMAND = (
    "python -m fer.train model=cnn_lstm seed=3 paths.runs=/home/me/runs "
    "'hydra.run.dir=\"/home/me/run\"' data.root=/data resume=auto"
)


@pytest.mark.parametrize("name", names_in(pretrained.WEIGHTS_FOLDER))
def test_sidecar_and_files_are_one(name: str) -> None:
    assert complaints(pretrained.WEIGHTS_FOLDER, name) == []


def test_all_together_are_small() -> None:
    assert size_of(pretrained.WEIGHTS_FOLDER)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of that of the package."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(pretrained, "WEIGHTS_FOLDER", folder)
    return folder


def trained(folder: Path, command: str = COMMAND, **more: Any) -> Path:
    """Write what a finished training leaves."""
    path = folder / "run" / "checkpoints" / "best.ckpt"
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = torch.load(checkpoint(path), weights_only=True)
    torch.save({**stored, MAKING: MADE, **more}, path)
    (folder / "run" / "provenance.json").write_text(json.dumps({"command": command}))
    return path


def judged(folder: Path, path: Path) -> Path:
    """Write what an evaluation of a file leaves."""
    folder.mkdir()
    scores = {"n": 9, "accuracy": 0.5, "accuracy_ci95": [0.4, 0.6], "per_class": {}}
    metrics = {
        "split": "PrivateTest", "official": scores, "deduplicated": scores, "tta": None,
        "fingerprints": {"checkpoint": ship.sha256(path), "data": "ab12"},
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.mark.slow
def test_a_network_is_put_there_and_used(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trained(tmp_path)
    assert ship.main(["default", str(path)]) == 0
    assert names_in(shelf) == ["default"]
    assert complaints(shelf, "default") == []
    told = json.loads((shelf / "default.json").read_text())
    assert told["recipe"]["command"] == "python -m fer.train model=cnn_lstm seed=3"
    assert told["metrics"] == {"validation": MADE["metrics"], "evaluation": None}

    # Asked, tuned, exported.
    faces = np.zeros((2, 48, 48), dtype=np.uint8)
    assert fer.load().classes == fer.load("default").classes
    assert fer.load(threads=1).classify(faces).logits.shape[0] == 2
    config = compose("train", ["init_from=default"], check=check_training)
    assert with_pretrained_paths(config).init_from == str(shelf / "default.pt")
    assert config.init_from == "default"
    taught = [
        "callbacks=[default,distillation]", "callbacks.distillation.teachers=[default]",
    ]  # fmt: skip
    config = compose("train", taught, check=check_training)
    teachers = with_pretrained_paths(config).callbacks.distillation.teachers
    assert list(teachers) == [str(shelf / "default.pt")]
    assert cli(["export", "default", "--to", str(tmp_path / "again.onnx"), "--half"]) == 0
    assert (tmp_path / "again.onnx").read_bytes() == (shelf / "default.onnx").read_bytes()

    # What it is worth is told when it has been judged.
    other = judged(tmp_path / "other", shelf / "default.json")
    assert ship.main(["default", "--evaluation", str(other)]) == 2
    assert "judges another model" in capsys.readouterr().err
    ours = judged(tmp_path / "ours", shelf / "default.onnx")
    assert ship.main(["default", "--evaluation", str(ours)]) == 0
    assert complaints(shelf, "default") == []
    told = json.loads((shelf / "default.json").read_text())["metrics"]["evaluation"]
    assert told["judged"] == "default.onnx"
    assert told["official"] == {"n": 9, "accuracy": 0.5, "accuracy_ci95": [0.4, 0.6]}

    # And what is changed afterwards is found.
    stored = torch.load(shelf / "default.pt", weights_only=True)
    stored["state_dict"]["network.head.layers.3.bias"] += 1
    torch.save(stored, shelf / "default.pt")
    assert complaints(shelf, "default") == [
        "default.pt is another file than default.json says",
        "default.pt answers otherwise",
    ]


@pytest.mark.slow
def test_an_export_is_taken_if_it_is_one_of_the_checkpoint(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, exact = trained(tmp_path), tmp_path / "exact.onnx"
    assert cli(["export", str(path), "--to", str(exact)]) == 0
    assert ship.main(["fast", str(path), "--onnx", str(exact)]) == 0
    assert (shelf / "fast.onnx").read_bytes() == exact.read_bytes()
    before = (shelf / "fast.json").read_text()
    # The same network, but another training.
    other = trained(tmp_path / "other", **{MAKING: {**MADE, "seed": 4}})
    capsys.readouterr()
    assert ship.main(["fast", str(other), "--onnx", str(exact)]) == 2
    assert "was not exported from this checkpoint" in capsys.readouterr().err
    assert (shelf / "fast.json").read_text() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": None}, "of no finished training"),
        ({"command": "python -m fer.train init_from=/home/me/best.ckpt"}, "names places of this"),
        ({"command": "python -m fer.train 'x.teachers=[/a.ckpt]'"}, "give one by --recipe"),
        ({"LARGEST": 1000}, "more than 1,000"),
        ({"LARGEST_TOGETHER": 3000}, "all models have"),
        ({"name": "a.b"}, "is no name"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_can_not_ship_is_told(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], *, change: dict[str, Any], words: str,
) -> None:  # fmt: skip
    name = change.pop("name", "default")
    for limit in set(change) & {"LARGEST", "LARGEST_TOGETHER"}:
        monkeypatch.setattr(ship, limit, change.pop(limit))
    assert ship.main([name, str(trained(tmp_path, **change))]) == 2
    assert words in capsys.readouterr().err
    assert names_in(shelf) == []


def test_names_that_are_not_there_are_told(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model called 'default': none ships with fer yet"):
        fer.load()
    for suffix in (".onnx", ".pt"):
        for name in ("fast", "default"):
            (shelf / f"{name}{suffix}").touch()
    with pytest.raises(UserError, match="no model called 'fats': there are default, fast; or"):
        fer.load("fats")
    wrong = ["init_from=fats", "callbacks=[default,distillation]",
             "callbacks.distillation.teachers=[fast,slow]"]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        compose("train", wrong, check=check_training)
    assert [issue.key for issue in caught.value.issues] == [
        "init_from",
        "callbacks.distillation.teachers[1]",
    ]
    assert "'slow': there are default, fast; or name the path of a checkpoint" in str(caught.value)


def test_a_file_without_a_suffix_is_no_name(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").touch()
    assert pretrained.weights_path("mine") == Path("mine")
    assert pretrained.weights_path("./mine") == Path("mine")
    assert pretrained.weights_path(Path("none")) == Path("none")
