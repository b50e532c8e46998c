"""What W&B is told of a run, without W&B: the online path with a run that only listens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.train_command import SMALL, Train

RUN = (*SMALL, "logger=wandb", "trainer.max_epochs=2", "test=false", "hydra.run.dir=run")


class Listener:
    """Takes a W&B run's place."""

    disabled = False

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.id = options["id"] or "new"
        self.settings: dict[str, Any] = {}
        self.logged: list[dict[str, Any]] = []
        self.artifacts: list[Any] = []
        self.code: int | None = None

    @property
    def config(self) -> Listener:
        return self

    def update(self, values: dict[str, Any], *, allow_val_change: bool = False) -> None:
        self.settings.update(values)

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)

    def log_artifact(self, artifact: Any) -> None:
        self.artifacts.append(artifact)

    def finish(self, exit_code: int = 0) -> None:
        self.code = exit_code


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> list[Listener]:
    wandb = pytest.importorskip("wandb")
    begun: list[Listener] = []

    def init(**options: Any) -> Listener:
        begun.append(Listener(**options))
        return begun[-1]

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setenv("WANDB_DATA_DIR", str(elsewhere / "staged"))
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)
    return begun


@pytest.mark.slow
def test_a_run_says_how_it_was_made_and_hands_in_what_came_of_it(
    train: Train, runs: list[Listener], elsewhere: Path
) -> None:
    own = ("name=first", "logger.group=tries", "logger.tags=[a,b]", "logger.mode=online")
    assert train(*RUN, *own).code == 0
    (run,) = runs
    folder = elsewhere / "run"
    for key, value in {"name": "first", "group": "tries", "tags": ["a", "b"]}.items():
        assert run.options[key] == value
    origin = run.settings["provenance"]
    assert "logger.group=tries" in origin["command"]
    assert {"commit", "dirty", "versions", "machine", "python", "seed", "data"} <= set(origin)
    assert run.settings["trainer"]["max_epochs"] == 2
    assert run.settings["optimizer"]["lr"] == 0.001
    best = [values["val/best_score"] for values in run.logged if "val/best_score" in values]
    assert len(best) == 2
    metrics = json.loads((folder / "metrics.json").read_text())
    assert best == sorted(best)
    assert best[-1] == pytest.approx(metrics["val/best_acc"])
    model, report = run.artifacts
    assert (model.type, list(model.manifest.entries)) == ("model", ["checkpoints/best.ckpt"])
    assert report.type == "report"
    assert {"metrics.json", "history.csv", "figures/curves.png"} <= set(report.manifest.entries)
    assert "cleaning.csv" not in report.manifest.entries
    assert model.metadata["metrics"]["val/best_acc"] == metrics["val/best_acc"]
    assert run.code == 0


@pytest.mark.slow
def test_a_run_that_goes_on_is_the_same_run(train: Train, runs: list[Listener]) -> None:
    short = [text for text in RUN if not text.startswith("trainer.max_epochs")]
    assert train(*short, "trainer.max_epochs=1", "logger.artifacts=false").code == 0
    assert train(*short, "trainer.max_epochs=2", "resume=auto").code == 0
    first, second = runs
    assert (first.options["id"], second.options["id"]) == (None, "new")
    assert first.artifacts == []


def test_a_run_that_fails_is_shown_as_failed(train: Train, runs: list[Listener]) -> None:
    answer = train(*RUN, "optimizer=sgd", "optimizer.lr=1e30")
    assert answer.code == 2
    assert [run.code for run in runs] == [1]
    assert runs[0].artifacts == []
