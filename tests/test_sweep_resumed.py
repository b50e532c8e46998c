"""A sweep that broke off goes on: what has ended is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.train_command import SMALL, Train, rows

SWEEP = ("-m", *SMALL, "seed=0,1", "test=false", "logger=none", "hydra.sweep.dir=sweep")


@pytest.mark.slow
def test_a_sweep_goes_on(train: Train, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "hydra.sweep.dir=FOLDER names" in train(*SWEEP[:-1], "resume=auto").err
    first = train(*SWEEP, "resume=auto", "trainer.max_epochs=1")
    assert first.code == 0, first
    runs = [elsewhere / "sweep" / name for name in ("0", "1")]
    # As if it had been killed when the first run had ended and the second had not.
    (runs[1] / "metrics.json").unlink()
    times = [(run / "checkpoints" / "best.ckpt").stat().st_mtime_ns for run in runs]
    answer = train(*SWEEP, "resume=auto", "trainer.max_epochs=1")
    assert answer.code == 0, answer
    assert answer.out.count("done before: ") == 1
    assert (runs[1] / "metrics.json").is_file()
    assert (runs[0] / "checkpoints" / "best.ckpt").stat().st_mtime_ns == times[0]
    # A longer training goes on with both.
    answer = train(*SWEEP, "resume=auto")
    assert answer.code == 0, answer
    assert [len(rows(run / "history.csv")) for run in runs] == [2, 2]
    other = train(*SWEEP, "resume=auto", "optimizer.lr=0.5")
    assert other.code == 2
    assert "holds another run: optimizer.lr was 0.001, is 0.5" in other.err
