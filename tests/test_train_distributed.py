"""Several processes train one run: one folder, one voice, one end, and what one would find."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.train_command import (
    LOGS,
    PROMISED,
    SMALL,
    Answer,
    assert_same_end,
    child_environment,
    command,
    files_in,
    last,
    rows,
    run_process,
)
from tests.support.two_processes import STEPS, job, learner
from tests.support.wheel import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="process groups and signals are POSIX"),
]

#: The last batches of validation and test divide in neither one nor two processes.
TWO = (
    *(text for text in SMALL if text != "trainer=cpu"),
    "trainer=ddp_cpu",
    "trainer.precision=32-true",
    # A planned rate depends on how many epochs there are to be.
    "scheduler=none",
    "data.source.val=33",
    "data.source.test=35",
    "data.batch_size=8",
    "test=true",
)
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "fer.train")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return child_environment(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> tuple[Path, Answer]:
    """One whole run of two processes, with a loader process each."""
    folder = tmp_path_factory.mktemp("whole")
    return folder / "run", run_process(
        folder, environment, *TWO, "data.workers=1", "hydra.run.dir=run"
    )


def scored(run: Path) -> int:
    _, *lines = (run / "figures" / "confusion_matrix.csv").read_text().splitlines()
    return sum(int(count) for line in lines for count in line.split(",")[1:])


def test_two_processes_leave_one_whole_run(whole: tuple[Path, Answer]) -> None:
    run, answer = whole
    assert answer.code == 0, answer
    assert answer.err == ""
    assert answer.out.count("FusionNetwork") == answer.out.count("test accuracy") == 1
    assert answer.out.splitlines()[-1] == f"run folder: {run}"
    assert files_in(run.parent) == {f"run/{name}" for name in PROMISED | LOGS}
    assert [row["epoch"] for row in rows(run / "history.csv")] == ["1", "2"]
    # 64 faces, 8 a process and step, two epochs.
    assert last(run)["global_step"] == 8
    assert scored(run) == 35


def test_torchrun_starts_them_too(
    whole: tuple[Path, Answer], tmp_path: Path, environment: dict[str, str]
) -> None:
    refused = run_process(tmp_path, environment, *TWO, start=TORCHRUN)
    assert refused.err.count("hydra.run.dir=FOLDER") == 1, refused
    assert files_in(tmp_path) == set()
    line = (*TWO, "data.workers=1", "hydra.run.dir=run")
    answer = run_process(tmp_path, environment, *line, start=TORCHRUN)
    assert answer.code == 0, answer
    assert answer.out.count("FusionNetwork") == answer.out.count("test accuracy") == 1
    assert files_in(tmp_path) == {f"run/{name}" for name in PROMISED | LOGS}
    assert_same_end(tmp_path / "run", whole[0])


def test_a_run_of_two_processes_goes_on(
    whole: tuple[Path, Answer], tmp_path: Path, environment: dict[str, str]
) -> None:
    """In its own folder, to the same weights, bit for bit."""
    once = (*TWO, "data.workers=1", "resume=auto")
    assert run_process(tmp_path, environment, *once, "trainer.max_epochs=1").code == 0
    answer = run_process(tmp_path, environment, *once)
    assert answer.code == 0, answer
    (run,) = tmp_path.glob("runs/*/*")
    assert answer.err == f"going on with {run.relative_to(tmp_path)}\n"
    assert_same_end(run, whole[0])


def test_a_loss_that_is_no_number_ends_both_with_one_message(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    answer = run_process(
        tmp_path, environment, *TWO, "optimizer=sgd", "optimizer.lr=1e30", "logger=none"
    )
    assert answer.code == 2, answer
    assert answer.err.startswith("fer.train: the loss became ")
    assert len(answer.err.splitlines()) == 1


def test_torchrun_says_once_what_is_wrong(tmp_path: Path, environment: dict[str, str]) -> None:
    place = "hydra.run.dir=run"
    line = ("data=fer2013", "trainer=ddp_cpu", place)
    answer = run_process(tmp_path, environment, *line, start=TORCHRUN)
    assert answer.code == 1  # torchrun's own, whatever went wrong.
    assert answer.err.count("fer.train: ") == 1
    assert "exitcode  : 2" in answer.err
    wrong = (*TWO, "trainer.devices=3", place)
    answer = run_process(tmp_path, environment, *wrong, start=TORCHRUN)
    assert answer.err.count("torchrun started 2 processes, but the trainer has 3 devices") == 1


@pytest.fixture
def full_disk(tmp_path: Path, environment: dict[str, str]) -> dict[str, str]:
    """An environment with a command whose first process finds the disk full at its second epoch."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "full_disk.py").write_text("""
import sys
from fer.learning.checkpoint_io import AtomicCheckpointIO
from fer.train import main

real = AtomicCheckpointIO.save_checkpoint

def save(self, checkpoint, path, storage_options=None):
    if checkpoint["global_step"] > 4:
        raise OSError(28, "No space left on device")
    real(self, checkpoint, path, storage_options)

AtomicCheckpointIO.save_checkpoint = save
sys.exit(main())
""")
    return environment | {"PYTHONPATH": f"{tmp_path / 'code'}{os.pathsep}{ROOT}"}


def test_what_one_process_meets_ends_the_other(tmp_path: Path, full_disk: dict[str, str]) -> None:
    start = (sys.executable, "-m", "full_disk")
    answer = run_process(tmp_path, full_disk, *TWO, "hydra.run.dir=run", start=start)
    assert answer.code == 2, answer
    place = tmp_path / "run"
    assert answer.err == f"fer.train: [Errno 28] No space left on device: '{place}'\n"
    assert last(tmp_path / "run")["global_step"] == 4


#: The command, whose second process comes to a bad end in the second epoch. What it was to exchange
#: next breaks off, or is waited for in vain, as between GPUs.
BAD_END = """
import os, signal, sys, time
from pathlib import Path
from fer.learning.callbacks import History
from fer.train import main

how = os.environ["HOW"]

# At a batch, not at the epoch's start: there the processes save the first epoch together.
def start(self, trainer, module, batch, batch_idx):
    if trainer.current_epoch == 1:
        if trainer.global_rank == 1:
            # The first process may still be writing what the first epoch has come to.
            while not Path("run", "checkpoints", "last.ckpt").exists():
                time.sleep(0.05)
            if how == "raise":
                raise OSError(5, "Input/output error")
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "hang":
            time.sleep(600)

History.on_train_batch_start = start
sys.exit(main())
"""


@pytest.mark.parametrize("how", ["die", "hang", "raise", "torchrun"])
def test_a_process_that_dies_ends_the_job_with_its_reason(
    whole: tuple[Path, Answer], tmp_path: Path, environment: dict[str, str], how: str
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "bad_end.py").write_text(BAD_END)
    path = f"{tmp_path / 'code'}{os.pathsep}{ROOT}"
    start = (*TORCHRUN[:-1], "bad_end") if how == "torchrun" else (sys.executable, "-m", "bad_end")
    line = (*TWO, "data.workers=1", "hydra.run.dir=run", "resume=auto")
    answer = run_process(
        tmp_path, {**environment, "PYTHONPATH": path, "HOW": how}, *line, start=start
    )
    ended = time.time()
    run = tmp_path / "run"
    newest = max(path.stat().st_mtime for path in run.rglob("*") if path.is_file())
    assert ended - newest < 90
    if how == "torchrun":
        assert answer.code == 1, answer
        assert re.search(r"Root Cause.*rank +: 1 .*exitcode +: -9", answer.err, re.DOTALL)
    elif how == "hang":
        # Lightning's own observer ends the first one, which notices nothing.
        assert answer.code == -signal.SIGKILL, answer
        assert "Child process with PID" in answer.err
    else:
        assert answer.code == 2, answer
        assert answer.err.count("fer.train: another process of the training died") == 1
        assert "Traceback" not in answer.out + answer.err
        assert ("Input/output error" in answer.err) == (how == "raise")
    assert_none_is_left(tmp_path)
    answer = run_process(tmp_path, environment, *line)
    assert answer.code == 0, answer
    assert_same_end(run, whole[0])


def test_two_machines_train_as_one(
    whole: tuple[Path, Answer], tmp_path: Path, environment: dict[str, str]
) -> None:
    """A torchrun for each, as two machines of a SLURM job have it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    nodes = ("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint={place}")
    line = [sys.executable, "-m", "torch.distributed.run", *nodes, "-m", "fer.train", *TWO]
    line += ["data.workers=1", "trainer.devices=1", "trainer.num_nodes=2", "hydra.run.dir=run"]
    slurm = {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "fer", "SLURM_JOB_ID": "7"}

    def machine(number: int) -> subprocess.Popen[bytes]:
        own = {**environment, **slurm, "SLURM_PROCID": str(number)}
        out, err = (tmp_path / f"{number}.{name}" for name in ("out", "err"))
        with out.open("wb") as said, err.open("wb") as complained:
            return subprocess.Popen(line, cwd=tmp_path, env=own, stdout=said, stderr=complained)

    started = [machine(0), machine(1)]
    try:
        codes = [one.wait(timeout=240) for one in started]
    finally:
        for one in started:
            one.kill()
    said = [(tmp_path / f"{number}.out").read_text() for number in range(2)]
    errors = [(tmp_path / f"{number}.err").read_text() for number in range(2)]
    assert codes == [0, 0], errors
    # Which machine is the first is torchrun's to say.
    assert sum(text.count("FusionNetwork") for text in said) == 1
    assert sum(text.count("test accuracy") for text in said) == 1
    assert files_in(tmp_path / "run") == PROMISED | LOGS
    assert_same_end(tmp_path / "run", whole[0])


def processes_of(word: str) -> list[int]:
    """Return the processes whose command line has a word."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if word in line]


@pytest.fixture
def endless(tmp_path: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A run of two processes in ``tmp_path / "run"`` that has finished an epoch."""
    overrides = [*TWO, f"hydra.run.dir={tmp_path / 'run'}", "data.workers=1"]
    with subprocess.Popen(
        command(*overrides, "trainer.max_epochs=100000"),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as running:
        try:
            deadline = time.monotonic() + 120
            while not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists():
                assert running.poll() is None, running.communicate()
                assert time.monotonic() < deadline, "no epoch was finished"
                time.sleep(0.05)
            yield running
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)


def assert_none_is_left(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while processes_of(str(folder)):
        assert time.monotonic() < deadline, "a process outlived the first"
        time.sleep(0.1)


@pytest.mark.parametrize("everyone", [True, False], ids=["terminal", "first"])
def test_an_interrupt_ends_both(
    endless: subprocess.Popen[str], tmp_path: Path, everyone: bool
) -> None:
    """A terminal's Ctrl-C reaches every process, ``kill -INT`` the first alone."""
    (os.killpg if everyone else os.kill)(endless.pid, signal.SIGINT)
    out, err = endless.communicate(timeout=60)
    assert endless.returncode == 130, (out, err)
    assert err.count("fer.train: interrupted") == 1
    assert "Traceback" not in out + err
    assert last(tmp_path / "run")["epoch"] >= 0
    assert_none_is_left(tmp_path)


def test_none_outlives_a_first_process_that_is_killed(
    endless: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.kill(endless.pid, signal.SIGKILL)
    endless.wait(timeout=60)
    assert_none_is_left(tmp_path)


@pytest.fixture(scope="module")
def found(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What one process and what two find out about the same weights."""
    folder = tmp_path_factory.mktemp("found")
    torch.manual_seed(0)
    for name in ("scored", "trained"):
        torch.save(learner(name).state_dict(), folder / f"{name}.pt")
    start = (sys.executable, "-m", "tests.support.two_processes")
    answer = run_process(ROOT, environment, str(folder), "2", start=start)
    assert answer.code == 0, answer
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    one = job(folder, 1)
    torch.set_num_threads(threads)
    assert one is not None
    before = torch.load(folder / "trained.pt", weights_only=True)
    assert (
        max(float((one["thawed"][n] - before[n]).abs().max()) for n in before if "lstm" in n) > 1e-4
    )
    two = torch.load(folder / "found2.pt", weights_only=True)
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["steps"] == two["steps"] == STEPS
    assert max(float((one["weights"][n] - before[n]).abs().max()) for n in before) > 1e-3
    return one, two


def test_an_evaluation_finds_the_same(found: tuple[dict[str, Any], dict[str, Any]]) -> None:
    one, two = found
    assert torch.equal(one["confusion"], two["confusion"])
    assert int(one["confusion"].sum()) == 29
    assert one["metrics"].keys() == two["metrics"].keys()
    for name, value in one["metrics"].items():
        assert two["metrics"][name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


def test_a_training_learns_the_same(found: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Without batch statistics, dropout and augmentation, at the same global batch."""
    one, two = found
    for name, weight in one["weights"].items():
        torch.testing.assert_close(two["weights"][name], weight, rtol=0, atol=1e-5)


def test_a_training_by_stages_learns_the_same(
    found: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Gradients of what begins to learn later are shared, too."""
    one, two = found
    for name, weight in one["thawed"].items():
        torch.testing.assert_close(two["thawed"][name], weight, rtol=0, atol=1e-5)
