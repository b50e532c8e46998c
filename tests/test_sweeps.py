"""What W&B would run by the sweep files is possible, goes by validation, and trains."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from fer.config.compose import compose
from fer.config.location import conf_folder
from fer.config.training import check_training
from tests.support.sweeps import FILES, command_of, grid, proposals, read
from tests.support.train_command import SMALL, child_environment, run_process
from tests.support.wheel import ROOT

#: Less than a whole training, whatever the sweep says of the network.
TINY = (
    *(text for text in SMALL if not text.startswith(("model.", "trainer.max_epochs"))),
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=1",
    "trainer.limit_val_batches=1",
    "data.batch_size=4",
    "logger.mode=offline",
)


def test_there_is_one_of_each_method() -> None:
    assert {read(path)["method"] for path in FILES} == {"bayes", "grid", "random"}
    assert any("early_terminate" in read(path) for path in FILES)


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def sweep(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(request.param)


def test_the_command_is_a_training_that_leaves_the_test_split_alone(sweep: dict[str, Any]) -> None:
    line = command_of(sweep, proposals(sweep)[0])
    assert line[:4] == ["/usr/bin/env", "python", "-m", "fer.train"]
    assert "test=false" in line
    assert "logger=wandb" in line
    assert not any("${" in text for text in line)


def test_the_objective_is_the_best_epoch(sweep: dict[str, Any]) -> None:
    from fer.learning.callbacks import OBJECTIVE

    assert sweep["metric"] == {"name": OBJECTIVE, "goal": "maximize"}
    if stop := sweep.get("early_terminate"):
        assert stop["type"] == "hyperband"
        assert stop["min_iter"] >= 1


def assert_possible(sweep: dict[str, Any], values: dict[str, Any]) -> None:
    line = command_of(sweep, values)[4:]
    config = compose("train", ["data=synthetic", *line], check=check_training)
    assert config.test is False
    assert config.callbacks.checkpoint.mode == "max"
    for key, value in values.items():
        if key in config.hydra.runtime.choices and key != "callbacks":
            assert config.hydra.runtime.choices[key] == value


@pytest.mark.slow
def test_every_proposed_value_passes_the_check(sweep: dict[str, Any]) -> None:
    for values in proposals(sweep):
        assert_possible(sweep, values)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in FILES if read(path)["method"] == "grid"], ids=lambda path: path.stem
)
def test_every_run_of_a_grid_passes_the_check(path: Path) -> None:
    sweep = read(path)
    for values in grid(sweep):
        assert_possible(sweep, values)


def test_null_is_null(sweep: dict[str, Any]) -> None:
    for values in proposals(sweep):
        assert None not in values.values(), "the agent writes None, which is a word: quote null"


def test_searches_and_sweeps_have_the_same_names() -> None:
    spaces = {path.stem for path in (conf_folder() / "hparams_search").glob("*.yaml")}
    assert spaces <= {path.stem for path in FILES}


@pytest.mark.slow
def test_one_run_of_each_trains_offline(tmp_path: Path, sweep: dict[str, Any]) -> None:
    line = command_of(sweep, proposals(sweep, seed=1)[-1])[4:]
    named = {text.partition("=")[0] for text in TINY}
    own = [text for text in line if text.partition("=")[0] not in named]
    start = (sys.executable, "-m", "fer.train")
    environment = {**child_environment(tmp_path), "WANDB_SILENT": "true"}
    answer = run_process(tmp_path, environment, *own, *TINY, "hydra.run.dir=run", start=start)
    assert answer.code == 0, answer
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert (ROOT / "sweeps").is_dir()
