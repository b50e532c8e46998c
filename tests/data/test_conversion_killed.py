"""A conversion that is killed at any moment goes on to the same set."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.converted import contents
from tests.support.picture_folders import write_class_folders

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="kills by signals are POSIX"),
]


def test_killed_at_any_moment(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "pictures", {"train/a": 500, "train/b": 500}, (64, 64))
    (tmp_path / "pictures/train/b/000.png").write_bytes(b"no picture")
    start = [sys.executable, "-m", "fer.cli", "data", "convert", "pictures", "--shard", "10"]

    def run(folder: str) -> int:
        command = [*start, "--to", folder]
        return subprocess.run(command, check=False, cwd=tmp_path, capture_output=True).returncode

    assert run("whole") == 1
    rng = np.random.default_rng(time.time_ns())
    kills = 0
    for _ in range(6):
        before = len(list(tmp_path.glob("set/faces-*.npy")))
        running = subprocess.Popen(
            [*start, "--to", "set"], cwd=tmp_path, stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        while running.poll() is None and len(list(tmp_path.glob("set/faces-*.npy"))) < before + 8:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        kills += running.poll() is None
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert len(list(tmp_path.glob("set/faces-*.npy"))) >= before
    assert kills > 2
    assert run("set") == 1
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")
