"""``resume=auto`` from the command line to the run folder, in this process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
import torch

from tests.support.picture_folders import write_class_folders
from tests.support.train_command import (
    SMALL,
    Train,
    assert_refused,
    assert_same_end,
    files_in,
    last,
    rows,
)

pytestmark = [
    # A resumed run writes to the folder that it began in.
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    pytest.mark.filterwarnings("ignore:Experiment logs directory .* exists and is not empty"),
]

#: With everything that is drawn at random, or that depends on how long the run is meant to be.
RUN = (
    *SMALL,
    "test=false",
    "logger=none",
    "trainer.precision=32-true",
    "augmentation=paper",
    "augmentation.mixing.mixup=0.4",
    "scheduler=cosine",
    "data.batch_size=16",
    "model.head.dropout=0.3",
)


@pytest.mark.slow
def test_a_longer_run_goes_on_where_the_shorter_ended(train: Train, elsewhere: Path) -> None:
    """In a folder with any name; the first command finds no run to go on with."""
    name = "a=b, it's [1] {2}"
    overrides = [*RUN, f'paths.runs="{name}"', "resume=auto"]
    answer = train(*overrides, "trainer.max_epochs=1")
    assert answer.code == 0, answer
    assert "going on with" not in answer.err
    (run,) = (elsewhere / name).glob("*/*")
    first, steps = rows(run / "history.csv"), last(run)["global_step"]

    answer = train(*overrides, "trainer.max_epochs=3")
    assert answer.code == 0, answer
    assert f"going on with {run.relative_to(elsewhere)}\n" in answer.err
    assert list((elsewhere / name).glob("*/*")) == [run]
    assert [path.name for path in elsewhere.iterdir()] == [name]
    history = rows(run / "history.csv")
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert history[:1] == first
    assert last(run)["global_step"] == 3 * steps
    # The schedule is that of the longer run, which ends with nothing.
    (schedule,) = last(run)["lr_schedulers"]
    assert schedule["_last_lr"] == [pytest.approx(0.0, abs=1e-9)]


@pytest.mark.slow
def test_a_finished_run_stays_as_it_is(train: Train, elsewhere: Path) -> None:
    run = elsewhere / "run"
    overrides = [*RUN, "hydra.run.dir=run", "trainer.max_epochs=1"]
    assert train(*overrides).code == 0
    before, history = last(run)["state_dict"], (run / "history.csv").read_text()
    assert train(*overrides, "resume=auto").code == 0
    after = last(run)["state_dict"]
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (run / "history.csv").read_text() == history

    # Nor is it touched by a run with another seed.
    files = {name: (run / name).read_bytes() for name in files_in(run)}
    answer = train(*overrides, "resume=auto", "seed=5")
    assert answer.code == 2
    assert "run holds another run: seed was 0, is 5" in answer.err
    assert {name: (run / name).read_bytes() for name in files_in(run)} == files


def test_a_sweep_is_not_resumed(train: Train, elsewhere: Path) -> None:
    answer = train("-m", *RUN, "resume=auto", "seed=0,1")
    assert_refused(answer, elsewhere, "resume=auto", "that hydra.sweep.dir=FOLDER names")


#: The command, killed in the middle of its second epoch as by a power cut.
KILLED = """
import os
from fer.learning import FerModule
from fer.train import main

real = FerModule.on_train_batch_start

def cut(self, batch, batch_idx):
    if (self.current_epoch, batch_idx) == (1, 2):
        os._exit(9)
    return real(self, batch, batch_idx)

FerModule.on_train_batch_start = cut
main()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the two processes are to be of one kind")
def test_a_killed_run_ends_as_if_it_had_not_been(train: Train, elsewhere: Path) -> None:
    overrides = [*RUN, "trainer.max_epochs=3", "data.workers=0"]
    assert train(*overrides, "hydra.run.dir=whole").code == 0
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MPLCONFIGDIR": mpl.get_cachedir()}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *overrides, "hydra.run.dir=cut"],
        cwd=elsewhere,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 9, done.stderr
    # One epoch of three was finished, and some of the next is lost.
    assert last(elsewhere / "cut")["global_step"] == 4
    answer = train(*overrides, "hydra.run.dir=cut", "resume=auto")
    assert answer.code == 0, answer
    assert "going on with cut\n" in answer.err
    assert len(rows(elsewhere / "cut" / "history.csv")) == 3
    assert_same_end(elsewhere / "cut", elsewhere / "whole")


@pytest.mark.slow
def test_a_run_on_other_data_is_not_gone_on_with(train: Train, elsewhere: Path) -> None:
    """Told before anything is written; without resume=auto another run begins."""
    root = elsewhere / "pictures"
    write_class_folders(root, dict.fromkeys(("train/a", "train/b", "val/a", "val/b"), 8))
    small = [text for text in RUN if not text.startswith("data")]
    overrides = [*small, "data=folder", f"data.root={root}", "hydra.run.dir=run"]
    assert train(*overrides, "trainer.max_epochs=1").code == 0
    before = {name: (elsewhere / "run" / name).read_bytes() for name in ("config.yaml",)}
    longer = [*overrides, "trainer.max_epochs=2", "resume=auto"]
    write_class_folders(root, {"train/a": 7}, seed=1)
    answer = train(*longer)
    assert answer.code == 2, answer
    assert "fer.train: the data has changed since the run in " in answer.err
    assert "without resume=auto" in answer.err
    assert {name: (elsewhere / "run" / name).read_bytes() for name in before} == before
    # As it was.
    write_class_folders(root, dict.fromkeys(("train/a", "train/b", "val/a", "val/b"), 8))
    assert train(*longer).code == 0


@pytest.mark.slow
def test_a_full_disk_costs_the_new_checkpoint_alone(
    train: Train, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = [*RUN, "trainer.max_epochs=3", "resume=auto"]
    assert train(*overrides, "hydra.run.dir=whole").code == 0
    real, count = Path.write_bytes, 0

    def write_bytes(path: Path, content: bytes) -> int:
        nonlocal count
        count += path.name.startswith(".last.")
        if count < 2:
            return real(path, content)
        real(path, bytes(content[: len(content) // 2]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        answer = train(*overrides, "hydra.run.dir=full")
    assert answer.code == 2, answer
    full = elsewhere / "full" / "checkpoints" / "last.ckpt"
    assert answer.err.endswith(f"No space left on device: '{full}'\n")
    assert "Traceback" not in answer.err
    assert last(elsewhere / "full")["global_step"] == 4
    assert train(*overrides, "hydra.run.dir=full").code == 0
    assert_same_end(elsewhere / "full", elsewhere / "whole")
