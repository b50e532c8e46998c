"""The W&B sweeps are the spaces of searches, go by validation, and train."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from fer.config.compose import compose, conf_folder
from fer.config.validate import check_training
from fer.learning.callbacks import OBJECTIVE
from tests.support.sweeps import FILES, command_of, read
from tests.support.train_command import SMALL, child_environment, run_process
from tools.sweeps import sweep_of

#: Less than a whole training, whatever the sweep says of the network.
TINY = (
    *(text for text in SMALL if not text.startswith(("model.", "trainer.max_epochs"))),
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=1",
    "trainer.limit_val_batches=1",
    "data.batch_size=4",
    "logger.mode=offline",
)


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def sweep(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(request.param)


def test_every_space_of_searches_is_a_sweep_as_generated() -> None:
    spaces = {path.stem for path in (conf_folder() / "hparams_search").glob("*.yaml")}
    assert spaces == {path.stem for path in FILES}
    for path in FILES:
        assert path.read_text(encoding="utf-8") == sweep_of(path.stem), "run python -m tools.sweeps"


def test_a_run_is_a_training_that_leaves_the_test_split_alone(sweep: dict[str, Any]) -> None:
    assert sweep["metric"] == {"name": OBJECTIVE, "goal": "maximize"}
    for last in (False, True):
        line = command_of(sweep, last=last)
        assert line[:4] == ["/usr/bin/env", "python", "-m", "fer.train"]
        assert not any("${" in text for text in line)
        config = compose("train", ["data=synthetic", *line[4:]], check=check_training)
        assert config.test is False
        assert "logger=wandb" in line
        assert config.callbacks.checkpoint.mode == "max"


@pytest.mark.slow
def test_one_run_trains_offline(tmp_path: Path) -> None:
    """By the file with null and lists."""
    line = command_of(next(read(path) for path in FILES if path.stem == "length"))[4:]
    named = {text.partition("=")[0] for text in TINY}
    own = [text for text in line if text.partition("=")[0] not in named]
    start = (sys.executable, "-m", "fer.train")
    environment = {**child_environment(tmp_path), "WANDB_SILENT": "true"}
    answer = run_process(tmp_path, environment, *own, *TINY, "hydra.run.dir=run", start=start)
    assert answer.code == 0, answer
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
