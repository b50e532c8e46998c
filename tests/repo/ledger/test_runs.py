"""A claim is what the run's own files say, and is refused where they don't say enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy.stats import t

from fer.core.errors import UserError
from fer.core.holdout_access import record_test_access
from tools.ledger.__main__ import main
from tools.ledger.claim import Claim
from tools.ledger.documents import differences
from tools.ledger.runs import claim_from_runs, configuration_hash
from tools.ledger.store import LEDGER, read_ledger

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = {"seed": 0, "optimizer": {"lr": 0.1}, "data": {"root": "somewhere"}, "name": None}


def run(folder: Path, metrics: dict[str, Any], seed: int = 0, **provenance: Any) -> Path:
    """Write a run's folder."""
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"seed": seed}), encoding="utf-8")
    stored = {
        "command": f"python -m fer.train seed={seed} 'hydra.run.dir={folder} x'",
        "commit": COMMIT,
        "dirty": False,
        "seed": seed,
        "data": {"fingerprint": "data", "origin": "there"},
        "faces": {"train": 900, "val": 100, "test": 400},
    } | provenance
    (folder / "provenance.json").write_text(json.dumps(stored), encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return folder


def record(*folders: Path, metric: str = "val/best_acc", **options: Any) -> Claim:
    return claim_from_runs(folders, name="a", what="accuracy", metric=metric, **options)


def test_a_claim_tells_all_that_makes_it_again(tmp_path: Path) -> None:
    claim = record(run(tmp_path / "run", {"val/best_acc": 0.65}, seed=3))
    expected = {
        "value": 0.65, "unit": "%", "command": "python -m fer.train seed=3", "commit": COMMIT,
        "data": "data", "seeds": (3,), "private_test_looks": 0, "mark": None,
        "configuration": configuration_hash(CONFIG),
        # Wilson's score interval of 65 in 100, as tables have it.
        "interval": (0.552544, 0.736358), "interval_method": "Wilson", "text": "65.0 % (55.3–73.6)",
    }  # fmt: skip
    assert {key: getattr(claim, key) for key in expected} == expected


def test_the_number_of_faces_is_that_of_the_split(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", {"val/acc": 0.5, "test/acc": 0.5})
    for metric, n in (("val/acc", 100), ("test/acc", 400)):
        found = record(folder, metric=metric, looks=1)
        assert found.interval == record(folder, metric=metric, looks=1, n=n).interval
    uncounted = run(tmp_path / "uncounted", {"val/acc": 0.5}, faces={})
    with pytest.raises(UserError, match="--n"):
        record(uncounted, metric="val/acc")


@pytest.mark.parametrize(
    ("metric", "unit", "text", "method"),
    [
        ("official.accuracy", "%", "61.2 % (59.0–63.0)", "bootstrap"),
        ("official.macro_f1", "%", "50.0 %", None),
        ("memorisation_ratio", "number", "0.45", None),
        ("verdict", "%", "ok", None),
    ],
)
def test_an_evaluation_brings_its_own_interval(
    tmp_path: Path, metric: str, unit: str, text: str, method: str | None
) -> None:
    official = {"accuracy": 0.61234, "accuracy_ci95": [0.59, 0.63], "macro_f1": 0.5}
    metrics = {"official": official, "memorisation_ratio": 0.454, "verdict": "ok"}
    claim = record(run(tmp_path / "run", metrics), metric=metric, unit=unit, looks=1)
    assert (claim.text, claim.interval_method) == (text, method)


def test_several_seeds_make_a_mean(tmp_path: Path) -> None:
    folders = [
        run(tmp_path / f"run{seed}", {"val/best_acc": value}, seed)
        for seed, value in enumerate([0.60, 0.62, 0.61])
    ]
    claim = record(*folders)
    reach = t.ppf(0.975, 2) * 0.01 / 3**0.5
    assert claim.value == 0.61
    assert claim.interval == pytest.approx([0.61 - reach, 0.61 + reach], abs=5e-5)
    assert (claim.seeds, claim.interval_method) == ((0, 1, 2), "t over seeds")
    with pytest.raises(UserError, match="seed"):
        record(folders[0], folders[0])
    other = run(tmp_path / "other", {"val/best_acc": 0.6}, 3, commit=COMMIT[::-1])
    with pytest.raises(UserError, match="commit"):
        record(*folders, other)


@pytest.mark.parametrize(
    ("key", "word"), [("invalid", "INVALID"), ("not_comparable", "NOT COMPARABLE")]
)
def test_the_mark_of_a_protocol_goes_along(tmp_path: Path, key: str, word: str) -> None:
    folder = run(tmp_path / "run", {key: "data.protocol=x: why", "test/acc": 0.9})
    assert record(folder, metric="test/acc", looks=0).mark == f"{word}: data.protocol=x: why"


def test_looks_are_those_that_the_runs_have_counted(tmp_path: Path) -> None:
    folders = [run(tmp_path / str(seed), {"test/acc": 0.6}, seed=seed) for seed in (0, 1)]
    with pytest.raises(UserError, match="--looks"):
        record(folders[0], metric="test/acc")
    assert record(folders[0], metric="test/acc", looks=2).private_test_looks == 2
    for seed, split in ((0, "PrivateTest"), (1, "PrivateTest"), (0, "test"), (1, "PrivateTest")):
        record_test_access(folders[seed], split, "data")
    assert record(*folders, metric="test/acc").private_test_looks == 3
    assert record(*folders, metric="test/acc", looks=4).private_test_looks == 4
    with pytest.raises(UserError, match="--looks 2"):
        record(*folders, metric="test/acc", looks=2)
    # An evaluation says what there were up to it.
    path = folders[0] / "provenance.json"
    told = {**json.loads(path.read_text()), "looks": {"split": "PrivateTest", "number": 7}}
    path.write_text(json.dumps(told), encoding="utf-8")
    assert record(folders[0], metric="test/acc").private_test_looks == 7


def test_code_that_no_commit_holds_is_refused(tmp_path: Path) -> None:
    dirty = run(tmp_path / "dirty", {"val/best_acc": 0.6}, dirty=True)
    with pytest.raises(UserError, match="no commit holds"):
        record(dirty)
    assert record(dirty, allow_dirty=True).what == "accuracy (with uncommitted changes)"
    without = run(tmp_path / "without", {"val/best_acc": 0.6}, commit=None)
    with pytest.raises(UserError, match="no commit holds"):
        record(without, allow_dirty=True)


def test_places_of_this_machine_are_kept_out(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", {"val/best_acc": 0.6}, command="python x data.root=/home/me")
    with pytest.raises(UserError, match="--command"):
        record(folder)
    assert record(folder, command="python -m fer.train").command == "python -m fer.train"


@pytest.mark.parametrize("metric", ["val/none", "val/true", "val/a.c", "val/x"])
def test_a_metric_that_is_none(tmp_path: Path, metric: str) -> None:
    folder = run(tmp_path / "run", {"val/none": None, "val/true": True, "val/a": {"b": 1}})
    with pytest.raises(UserError, match=f"no number or word at '{metric}'"):
        record(folder, metric=metric)


def test_a_folder_that_holds_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*config\.yaml"):
        record(tmp_path)
    for name, text in {"metrics.json": "{", "provenance.json": "[]", "config.yaml": "a: ["}.items():
        folder = run(tmp_path / name, {"val/best_acc": 0.6})
        (folder / name).write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match="can't be read as a run"):
            record(folder)


def test_the_hash_is_of_what_is_measured() -> None:
    same = {"optimizer": {"lr": 0.1}, "seed": 5, "data": {"root": "elsewhere"}, "name": "x"}
    assert configuration_hash(same) == configuration_hash(CONFIG)
    assert configuration_hash(CONFIG | {"optimizer": {"lr": 0.2}}) != configuration_hash(CONFIG)


def test_from_a_run_to_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / LEDGER).write_text('{"claims": []}', encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("It reads <!-- claim:small -->?<!-- /claim -->.", encoding="utf-8")
    folder = run(tmp_path / "run", {"val/best_acc": 0.65})
    root = ["--root", str(tmp_path)]
    add = ["add", str(folder), "--id", "small", "--what", "accuracy", "--metric", "val/best_acc"]

    assert main(["check", *root]) == 1
    assert "there is no claim 'small'" in capsys.readouterr().out
    assert main([*add, *root]) == 0
    assert capsys.readouterr().out == "small: 65.0 % (55.3–73.6)\n"
    assert main(["check", *root]) == 1
    assert main(["write", *root]) == 0
    assert "65.0 % (55.3–73.6)<!-- /claim -->." in readme.read_text(encoding="utf-8")
    assert differences(tmp_path) == []
    assert main([*add, *root]) == 2
    assert "--replace" in capsys.readouterr().err
    assert main([*add, *root, "--replace", "--n", "1000", "--looks", "0"]) == 0
    assert read_ledger(tmp_path).text("small") == "65.0 % (62.0–67.9)"


def test_wrong_use_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("tools.ledger: there is no ledger")
    for arguments, code in (([], 2), (["add", "x", "--looks", "-1"], 2), (["--help"], 0)):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == code
