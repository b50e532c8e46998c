"""A line an epoch, where nobody looks at a bar."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fer.learning.callbacks import EpochLines, History
from tests.support.learners import pattern_data, quiet_trainer, small_module


def test_each_epoch_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = quiet_trainer(
        tmp_path, History(), EpochLines(), max_epochs=3, enable_checkpointing=False
    )
    trainer.fit(small_module(), datamodule=pattern_data())
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    number = r"\d+\.\d"
    for place, line in enumerate(lines, start=1):
        assert re.fullmatch(
            rf"epoch {place}/3: train loss {number}+, accuracy {number} %; "
            rf"validation loss {number}+, accuracy {number} %; \d+:\d\d to go",
            line,
        )
    assert len(lines) == 3
    assert lines[-1].endswith("; 0:00 to go")


def test_what_was_told_before_a_stop_is_not_told_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History()
    history.epochs = [{"epoch": 1.0, "train/acc": 0.5}]
    trainer = quiet_trainer(
        tmp_path, history, EpochLines(), max_epochs=1, enable_checkpointing=False
    )
    trainer.fit(small_module(), datamodule=pattern_data())
    assert capsys.readouterr().out.count("epoch 1/1: train loss") == 1
