"""What a shipped model was judged to be worth goes into the ledger and into the model card."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer.config.compose import compose
from fer.core import pretrained
from fer.core.labels import EMOTIONS
from fer.data.fer2013_reference import AnnotatorVotes
from fer.evaluation import EvaluationInput, evaluate_predictions, write_predictions
from tests.inference.conftest import checkpoint
from tests.support.answers import some_faces, some_predictions
from tools import card, ship
from tools.card import MODELS
from tools.card_figures import copies_of_training
from tools.ledger.documents import differences, write_documents
from tools.ledger.store import read_ledger

ROOT = Path(__file__).parents[3]
CARD = (ROOT / "MODEL_CARD.md").read_text(encoding="utf-8")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAMES = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
FACES = some_faces(val=200, test=300, classes=EMOTIONS)


def robustness(split: str = "PublicTest") -> dict[str, Any]:
    kinds = {
        "dark": {"family": "light", "mean": 0.4},
        "bright": {"family": "light", "mean": 0.5},
        "noise": {"family": "noise", "mean": 0.2},
    }
    return {"split": split, "n": 900, "clean": 0.6, "kinds": kinds, "mean": 0.35, "ratio": 0.58}


def judgement(folder: Path, fingerprint: str, *, tta: bool = True, **origin: Any) -> Path:
    """Write what an evaluation of made-up answers leaves."""
    p = some_predictions(FACES, skill=2.0)
    p = replace(p, split=np.array([NAMES[name] for name in p.split]))
    rows = len(p) + 30
    label = np.zeros(rows, dtype=np.int64)
    label[p.row] = p.label
    winner = np.where(np.arange(rows) % 3 == 0, (label + 1) % 7, label)
    case = EvaluationInput(
        p,
        FACES,
        NAMES,
        np.arange(300) < 60,
        views=np.stack([p.of("PrivateTest").logits] * 2) if tta else None,
        crowd=AnnotatorVotes(np.zeros((rows, 10), dtype=np.int64), winner, winner, "votes"),
        fingerprints={"data": "d", "checkpoint": fingerprint},
    )
    folder.mkdir()
    metrics = {**evaluate_predictions(case), "robustness": robustness(), "branches": None}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    write_predictions(folder / "predictions.parquet", p)
    (folder / "config.yaml").write_text("ckpt: default\nseed: 0\n")
    about = {
        "command": f"python -m fer.evaluate ckpt=/home/me/best.ckpt robustness=true "
        f"data.root=/data hydra.run.dir={folder}",
        "commit": COMMIT, "dirty": False, "seed": 0, "data": {"fingerprint": "d"}, **origin,
    }  # fmt: skip
    (folder / "provenance.json").write_text(json.dumps(about))
    return folder


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models with one in it; its exported file is no graph."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(pretrained, "WEIGHTS_FOLDER", folder)
    put_model(folder)
    return folder


def put_model(folder: Path, **changed: Any) -> None:
    checkpoint(folder / "default.pt")
    (folder / "default.onnx").write_bytes(b"x" * 1234)
    files = {f"default{end}": folder / f"default{end}" for end in (".onnx", ".pt")}
    told = {
        "precision": "float32",
        "files": {name: {"sha256": ship.sha256(path)} for name, path in files.items()},
        "recipe": {
            "command": "python -m fer.train seed=3",
            "seed": 3,
            "dirty": False,
            "checkpoint": "c",
        },
        **changed,
    }
    (folder / "default.json").write_text(json.dumps(told))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with the card, the tables alone, and a manifest of the made-up faces."""
    folder = tmp_path / "checkout"
    (folder / "results").mkdir(parents=True)
    shutil.copy(ROOT / "MODEL_CARD.md", folder)
    ledger = read_ledger(ROOT)
    others = ("table-", "pipeline-")
    claims = [one.record() for name, one in ledger.claims.items() if name.startswith(others)]
    stored = {"claims": claims, "tables": [*ledger.tables.values()]}
    (folder / "results" / "claims.json").write_text(json.dumps(stored))
    # A face of Training and two of PublicTest are the same.
    lines = ["row,split,group"]
    for name, split in FACES.splits.items():
        lines += [f"{row},{NAMES[name]},{'g' if row in (3, 40, 41) else ''}" for row in split.rows]
    with gzip.open(folder / "results" / "manifest.csv.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    write_documents(folder)
    return folder


def test_all_that_was_judged_is_recorded(shelf: Path, root: Path, tmp_path: Path) -> None:
    folder = judgement(tmp_path / "judged", ship.sha256(shelf / "default.onnx"))
    assert card.main(["default", str(folder), "--root", str(root), "--looks", "2"]) == 0
    assert differences(root) == []
    claims = read_ledger(root).claims
    metrics = json.loads((folder / "metrics.json").read_text())

    private = claims["release-default-private"]
    assert private.value == round(metrics["official"]["accuracy"], 6)
    low, high = metrics["official"]["accuracy_ci95"]
    assert (private.interval, private.interval_method) == (
        (round(low, 6), round(high, 6)),
        "bootstrap",
    )
    assert private.command == (
        "python -m fer.train seed=3 && python -m fer.evaluate ckpt=default robustness=true"
    )
    assert (private.commit, private.data, private.seeds) == (COMMIT, "d", (3,))
    expected = {
        "private-deduplicated": metrics["deduplicated"]["accuracy"],
        "tta-private": metrics["tta"]["official"]["accuracy"],
        "tta-private-deduplicated-macro-f1": metrics["tta"]["deduplicated"]["macro_f1"],
        "private-balanced": metrics["official"]["balanced_accuracy"],
        "private-ece": metrics["official"]["ece"],
        "private-ece-calibrated": metrics["official"]["ece_calibrated"],
        "private-ece-null": metrics["official"]["ece_null"],
        "memorisation-rate": metrics["memorisation_rate"],
        "memorisation-ratio": metrics["memorisation_ratio"],
        "recall-fear": metrics["official"]["per_class"]["fear"]["recall"],
        "slice-contrast-low": metrics["slices"]["contrast"][0]["accuracy"],
        "under-light": 0.45,
        "under-all": 0.35,
        "bytes-onnx": 1234,
        "temperature": metrics["temperature"],
    }
    found = {name: claims[f"release-default-{name}"].value for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)
    assert claims["release-default-verdict"].text == metrics["verdict"]
    assert claims["release-default-parameters"].value > 0
    assert claims["release-crowd"].value == round(metrics["crowd_accuracy"]["overall"], 6)

    # PublicTest is judged from the answers; a face of it is a copy, another is a copy of that.
    p = some_predictions(FACES, skill=2.0).of("val")
    alone = ~np.isin(p.row, (40, 41))
    assert claims["release-default-public"].value == round(float(p.correct.mean()), 6)
    deduplicated = claims["release-default-public-deduplicated"]
    assert deduplicated.value == round(float(p.correct[alone].mean()), 6)
    assert claims["release-default-public-deduplicated-faces"].value == 198
    assert not any(name.startswith("release-default-public-ece") for name in claims)

    # Looks are those of the model, wherever PrivateTest's labels were used.
    looks = {name: claims[name].private_test_looks for name in claims if "release" in name}
    assert looks["release-default-private"] == looks["release-default-recall-fear"] == 2
    assert looks["release-default-looks"] == claims["release-default-looks"].value == 2
    for name in ("public", "under-all", "parameters", "faces-fear", "temperature"):
        assert looks[f"release-default-{name}"] == 0
    text = (root / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"| **PrivateTest, single view**: accuracy | {private.text} | – |" in text


def test_what_is_not_measured_anew_is_taken_out(shelf: Path, root: Path, tmp_path: Path) -> None:
    name = ship.sha256(shelf / "default.onnx")
    assert card.main(["default", str(judgement(tmp_path / "a", name)), "--root", str(root)]) == 0
    stored = json.loads((root / "results" / "claims.json").read_text())
    by_hand = {**read_ledger(root).claims["release-default-bytes-onnx"].record(), "unit": "ms",
               "id": "release-default-one-face", "value": 0.5, "text": "0.50 ms"}  # fmt: skip
    other = {**by_hand, "id": "release-fast-private"}
    stored["claims"] += [by_hand, other]
    (root / "results" / "claims.json").write_text(json.dumps(stored))
    again = judgement(tmp_path / "b", name, tta=False)
    assert card.main(["default", str(again), "--root", str(root)]) == 0
    ledger = read_ledger(root)
    assert "release-default-private" in ledger.claims
    assert not any(one.startswith("release-default-tta") for one in ledger.claims)
    assert {"release-default-one-face", "release-fast-private"} <= set(ledger.claims)
    text = (root / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| one face, one thread | 0.50 ms | – |" in text


@pytest.mark.parametrize(
    ("origin", "model", "words"),
    [
        ({"dirty": True}, {}, "uncommitted changes"),
        ({"commit": None}, {}, "no commit holds"),
        ({"command": "python -m fer.evaluate ckpt=x data.manifest=/data/m"}, {}, "names places"),
        ({}, {"precision": "int8"}, "default.onnx computes in int8"),
        ({}, {"files": {}}, "judges another model"),
    ],
    ids=["dirty", "no commit", "places", "int8", "another"],
)
def test_what_can_not_be_stated_is_told(
    shelf: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    *, origin: dict[str, Any], model: dict[str, Any], words: str,
) -> None:  # fmt: skip
    before = (root / "results" / "claims.json").read_text()
    put_model(shelf, **model)
    # The tensors were judged, not the exported model.
    folder = judgement(tmp_path / "judged", ship.sha256(shelf / "default.pt"), **origin)
    assert card.main(["default", str(folder), "--root", str(root)]) == 2
    assert words in capsys.readouterr().err
    assert (root / "results" / "claims.json").read_text() == before


def test_uncommitted_changes_are_said_and_corrupted_test_faces_not_taken_for_others(
    shelf: Path, root: Path, tmp_path: Path
) -> None:
    folder = judgement(tmp_path / "judged", ship.sha256(shelf / "default.onnx"), dirty=True)
    found = json.loads((folder / "metrics.json").read_text())
    found["robustness"] = robustness("PrivateTest")
    (folder / "metrics.json").write_text(json.dumps(found))
    assert card.main(["default", str(folder), "--root", str(root), "--allow-dirty"]) == 0
    claims = read_ledger(root).claims
    assert claims["release-default-private"].what.endswith("(with uncommitted changes)")
    assert not any("-under-" in name for name in claims if "release" in name)


def test_a_judgement_that_is_not_there(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert card.main(["default", str(tmp_path), "--root", str(tmp_path)]) == 2
    assert "there is no" in capsys.readouterr().err
    assert card.main(["default", str(tmp_path), "--looks", "0"]) == 2
    assert "--looks 0" in capsys.readouterr().err


def test_every_release_table_of_the_ledger_stands_in_the_card() -> None:
    known = [name for name in read_ledger(ROOT).tables if name.startswith("release-")]
    assert sorted(re.findall(r"<!-- table:(\S+) -->", CARD)) == sorted(known)


def test_what_the_card_says_of_the_networks_is_what_is_trained() -> None:
    for name, experiment in zip(MODELS, ("release", "release_fast"), strict=True):
        config = compose("train", [f"experiment={experiment}", "trainer=cpu"])
        column = 1 + MODELS.index(name)
        rows = {
            cells[0]: cells[column]
            for line in CARD.splitlines()
            if line.startswith("| ")
            and len(cells := [cell.strip() for cell in line.strip("|\n").split(" | ")]) == 3
        }
        first, second, third = config.model.backbone.widths
        assert f"{first}, {second} and {third} channels" in rows["CNN"]
        first, second, third = config.model.backbone.blocks
        assert f"{first}, {second} and {third} blocks" in rows["CNN"]
        assert ("consistency" in config.callbacks) == (name == "fast")
        assert rows["epochs"] == str(config.trainer.max_epochs)
        size = config.model.preprocessing.resize or config.data.size
        assert rows["faces are read at"].startswith(f"{size} pixels")
        assert f"experiment={experiment} " in rows["trained by"]
        assert config.test is False
        assert "FocalLoss" not in config.loss._target_
        assert config.loss.label_smoothing > 0
        assert "ema" in config.callbacks
        lstm = config.model.lstm
        said = "none" if lstm is None else f"{lstm.depth} layers of {lstm.units} units"
        assert rows["LSTM"].startswith(said)


@pytest.mark.parametrize("name", MODELS)
def test_the_card_names_what_trained_a_shipped_model(name: str) -> None:
    path = ROOT / "fer" / "weights" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{name} has not shipped yet")
    told = json.loads(path.read_text(encoding="utf-8"))
    (precisions,) = (x for x in CARD.splitlines() if x.startswith("| `NAME.onnx` computes in |"))
    assert precisions.split(" | ")[1 + MODELS.index(name)].strip(" |") == told["precision"]
    words = told["recipe"]["command"].split()
    (experiment,) = (word for word in words if word.startswith("experiment="))
    assert f"fer.train {experiment} " in CARD


def test_what_the_card_says_of_copies_is_what_the_manifest_says() -> None:
    manifest = ROOT / "results" / "manifest.csv.gz"
    with gzip.open(manifest, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    groups = Counter(row["group"] for row in rows if row["group"])
    splits = Counter(group for group, _ in {(r["group"], r["split"]) for r in rows if r["group"]})
    conflicts = {row["group"] for row in rows if row["conflict"] == "1"}
    private = np.array([int(row["row"]) for row in rows if row["split"] == "PrivateTest"])
    for text in (
        f"{len(groups):,} groups of exactly the same pixels hold {groups.total():,} faces",
        f"{groups.total() - len(groups):,} are redundant. "
        f"{sum(number > 1 for number in splits.values())} groups span splits",
        f"In {len(conflicts)} of these groups",
        f"{copies_of_training(private, manifest).sum()} of PrivateTest's faces have a copy in",
    ):
        assert text in " ".join(CARD.split())
