"""Runs that are killed at any moment go on to the same weights, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.train_command import (
    SMALL,
    assert_same_end,
    child_environment,
    command,
    files_in,
    rows,
    run_process,
)
from tests.support.wheel import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="kills by signals are POSIX"),
]

EPOCHS = 12
#: With everything that is drawn at random, or that depends on how long the run is meant to be.
RUN = (
    *SMALL,
    f"trainer.max_epochs={EPOCHS}",
    "trainer.precision=32-true",
    "test=false",
    "logger=none",
    "augmentation=paper",
    "augmentation.mixing.mixup=0.4",
    "scheduler=cosine",
    "data.batch_size=8",
    "model.head.dropout=0.3",
    "callbacks=[default,consistency]",
)
#: How faces come to a training.
WAYS = {
    "resident": ("data.resident=true",),
    "0 workers": ("data.resident=false", "data.workers=0"),
    "2 workers": ("data.resident=false", "data.workers=2"),
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return child_environment(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module", params=WAYS)
def whole(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    environment: dict[str, str],
) -> tuple[Path, tuple[str, ...]]:
    """A run that nothing has interrupted, and its overrides."""
    folder, overrides = tmp_path_factory.mktemp("whole"), (*RUN, *WAYS[request.param])
    answer = run_process(folder, environment, *overrides, "hydra.run.dir=run")
    assert answer.code == 0, answer
    return folder / "run", overrides


def start(folder: Path, environment: dict[str, str], line: Sequence[str]) -> subprocess.Popen[Any]:
    # No pipes: loader processes outlive a killed training by some seconds and hold them open.
    log = (folder / "log").open("ab")
    with log:
        return subprocess.Popen(
            line, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def begun(run: Path) -> int:
    """Return when the training in a folder last began, or 0."""
    config = run / "config.yaml"
    return config.stat().st_mtime_ns if config.exists() else 0


def test_kills_at_random_moments(
    whole: tuple[Path, tuple[str, ...]], tmp_path: Path, environment: dict[str, str]
) -> None:
    run, line = tmp_path / "run", command(*whole[1], "hydra.run.dir=run", "resume=auto")
    duration = ((whole[0] / "metrics.json").stat().st_mtime_ns - begun(whole[0])) / 1e9
    moments, reached = random.Random(0), []
    for _ in range(4):
        before, running = begun(run), start(tmp_path, environment, line)
        deadline = time.monotonic() + 120
        while running.poll() is None and begun(run) == before:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.002)
        time.sleep(moments.uniform(0, duration / 2))
        if running.poll() is None:
            running.kill()
            history = run / "history.csv"
            reached.append(len(rows(history)) if history.exists() else 0)
        # Its loader processes may have complained of its death; it did not.
        assert running.wait() in (0, -signal.SIGKILL), (tmp_path / "log").read_text()
    assert len(reached) >= 2, "the kills came too late"
    answer = run_process(tmp_path, environment, *line[3:])
    assert answer.code == 0, (answer, (tmp_path / "log").read_text())
    assert "Traceback" not in answer.err
    # A kill between an epoch's row and its checkpoint takes the row with it.
    assert all(later >= earlier - 1 for earlier, later in pairwise(reached)), reached
    assert len(rows(run / "history.csv")) == EPOCHS
    assert_same_end(run, whole[0])
    assert not [name for name in files_in(run) if Path(name).name.startswith(".")]


#: The command, killed as it writes its fifth checkpoint: amid the bytes, or before the file takes
#: its place.
MID_WRITE = """
import os, signal, sys
from pathlib import Path
import fer.learning.checkpoint_io as io
from fer.train import main

moment, real, count = sys.argv.pop(1), io.atomic_write, 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Doomed(type(Path())):
    def write_bytes(self, content):
        if moment == "amid":
            Path(self).write_bytes(bytes(content[: len(content) // 2]))
            die()
        Path(self).write_bytes(content)
        die()

from contextlib import contextmanager

@contextmanager
def atomic_write(path):
    global count
    count += 1
    with real(path) as beside:
        yield Doomed(beside) if count == 5 else beside

io.atomic_write = atomic_write
sys.exit(main())
"""


@pytest.mark.parametrize("whole", ["0 workers"], indirect=True)
@pytest.mark.parametrize("moment", ["amid", "after"])
def test_a_kill_while_a_checkpoint_is_written(
    whole: tuple[Path, tuple[str, ...]], tmp_path: Path, environment: dict[str, str], moment: str
) -> None:
    run, overrides = tmp_path / "run", (*whole[1], "hydra.run.dir=run", "resume=auto")
    (tmp_path / "mid_write.py").write_text(MID_WRITE)
    at = environment | {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, "mid_write.py", moment, *overrides]
    running = start(tmp_path, at, line)
    assert running.wait(timeout=120) == -signal.SIGKILL, (tmp_path / "log").read_text()
    for path in (run / "checkpoints").glob("[!.]*.ckpt"):
        torch.load(path, weights_only=True)
    answer = run_process(tmp_path, environment, *overrides)
    assert answer.code == 0, answer
    assert_same_end(run, whole[0])
    assert not [name for name in files_in(run) if Path(name).name.startswith(".")]
