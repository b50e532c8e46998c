"""What is missing is run, once, whatever happens on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fer.core import locks
from fer.core.holdout_access import ACCESS_LOG
from fer.experiments.runner import Failure
from fer.experiments.runs import Job, Run, configurations, run_missing

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks and signals are POSIX")

#: Stands in for Python: notes that it was called, waits, and leaves what the command would.
FAKE = """
import json, os, pathlib, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
_, _, module, *overrides = sys.argv
given = dict(text.split("=", 1) for text in overrides)
folder = pathlib.Path(given["hydra.run.dir"].strip('"'))
with open("calls.txt", "a") as file:
    print(module, folder, os.environ.get("OMP_NUM_THREADS"), "resume" in given, file=file)
folder.mkdir(parents=True, exist_ok=True)
(folder / "config.yaml").write_text("x: 1")
time.sleep(float(given.get("wait", 0)))
if "fail" in given:
    print("first line")
    sys.exit("fer.train: it went wrong")
(folder / "checkpoints").mkdir(exist_ok=True)
if module == "fer.train":
    (folder / "checkpoints" / "best.ckpt").write_text("weights")
    (folder / "metrics.json").write_text(json.dumps({"val/best_acc": 0.5}))
else:
    import hashlib
    judged = hashlib.sha256((folder.parent / "checkpoints" / "best.ckpt").read_bytes()).hexdigest()
    found = {"official": {}, "fingerprints": {"checkpoint": judged}}
    (folder / "metrics.json").write_text(json.dumps(found))
"""


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (tmp_path / "fake.py").write_text(FAKE, encoding="utf-8")
    return sys.executable, "fake.py"


def some_run(row: str, *overrides: str, seed: int = 0, stale: bool = False) -> Run:
    folder = Path("runs") / row / f"seed{seed}"
    training = Job("training", folder, (*overrides, f"seed={seed}"), epochs=3)
    evaluation = Job("evaluation", folder / "evaluation", (), test=True)
    jobs = (training, evaluation)
    return Run(row, seed, folder, jobs, stale=stale, found=configurations(folder))


def calls() -> list[str]:
    path = Path("calls.txt")
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def make_all(runs: list[Run], python: tuple[str, ...], jobs: int = 1) -> list[Failure]:
    return run_missing(runs, jobs=jobs, interval=0.02, python=python)


def test_commands_follow_one_another_and_what_is_finished_is_skipped(
    python: tuple[str, ...],
) -> None:
    runs = [some_run("a"), some_run("b"), some_run("a", seed=1)]
    assert make_all(runs, python, jobs=2) == []
    assert sorted(calls()) == sorted(
        f"fer.{what} runs/{place} 1 {what == 'train'}"
        for run in ("a/seed0", "b/seed0", "a/seed1")
        for what, place in (("train", run), ("evaluate", f"{run}/evaluation"))
    )
    assert make_all(runs, python, jobs=2) == []
    assert len(calls()) == 6


def test_one_at_a_time_takes_all_cores_and_a_failure_leaves_the_others(
    python: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (failure,) = make_all([some_run("bad", "fail=1"), some_run("good")], python)
    assert str(failure) == (
        "bad seed 0: training ended with code 1; the end of runs/bad/seed0.log:"
        "\n    first line\n    fer.train: it went wrong"
    )
    assert "FAILED: bad seed 0" in capsys.readouterr().out
    # A run is finished before the next begins.
    order = [line.split()[1] for line in calls()]
    assert order == ["runs/bad/seed0", "runs/good/seed0", "runs/good/seed0/evaluation"]
    assert {line.split()[2] for line in calls()} == {"None"}


def test_a_training_is_resumed_and_an_evaluation_repeated(python: tuple[str, ...]) -> None:
    run = some_run("a")
    (run.folder / "evaluation").mkdir(parents=True)
    (run.folder / "history.csv").write_text("epoch\n1\n", encoding="utf-8")
    (run.folder / "evaluation" / "half").write_text("", encoding="utf-8")
    assert make_all([run], python) == []
    assert (run.folder / "history.csv").is_file()
    assert not (run.folder / "evaluation" / "half").exists()
    # An evaluation of other weights does not count.
    (run.folder / "checkpoints" / "best.ckpt").write_text("others", encoding="utf-8")
    assert make_all([run], python) == []
    assert [line.split()[0] for line in calls()] == ["fer.train", "fer.evaluate", "fer.evaluate"]


def test_a_stale_run_is_replaced_but_its_looks_at_the_test_split_stay(
    python: tuple[str, ...],
) -> None:
    make_all([some_run("a")], python)
    old = Path("runs/a/seed0/old")
    old.write_text("", encoding="utf-8")
    looks = old.with_name(ACCESS_LOG)
    looks.write_text("a look\n", encoding="utf-8")
    stale = some_run("a", stale=True)
    assert make_all([stale], python) == []
    assert not old.exists()
    assert len(calls()) == 4
    assert looks.read_text(encoding="utf-8") == "a look\n"
    # What another table has replaced in the meantime stays.
    assert make_all([stale], python) == []
    assert len(calls()) == 4


def test_robustness_on_other_faces_is_measured_anew(tmp_path: Path) -> None:
    job = Job("baseline", tmp_path, (), test=True, robustness=True, faces=900)
    metrics = {"official": {}, "robustness": {"mean": 0.4}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    (tmp_path / "config.yaml").write_text("robustness_faces: 900\n", encoding="utf-8")
    assert job.is_finished()
    assert not replace(job, faces=None).is_finished()
    assert replace(job, faces=None, robustness=False).is_finished(), "nobody asks"


def test_a_folder_that_another_process_works_in_is_waited_for(python: tuple[str, ...]) -> None:
    run = some_run("a")
    handle = locks.try_lock(run.folder.with_name("seed0.lock"))
    assert handle is not None
    assert locks.try_lock(run.folder.with_name("seed0.lock")) is None
    command = [sys.executable, "-c", "import time; time.sleep(0.6)"]
    # Its parent lets go, as one that was killed would: the child still holds it.
    child = subprocess.Popen(command, pass_fds=(handle,))
    locks.unlock(handle)
    begun = time.monotonic()
    assert make_all([run], python) == []
    assert time.monotonic() - begun > 0.4
    assert child.wait() == 0
    assert len(calls()) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_commands_and_keeps_what_is_finished(
    python: tuple[str, ...], number: signal.Signals
) -> None:
    text = (
        "import sys; from tests.experiments.test_runs import *\n"
        # Which a process that was started in the background may have been told to ignore.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"make_all([some_run('a'), some_run('b', 'wait=60')], {python!r}, jobs=2)"
    )
    root = Path(__file__).parents[2]
    table = subprocess.Popen(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    waits = Path("runs/b/seed0/config.yaml")
    done = Path("runs/a/seed0/evaluation/metrics.json")
    while not (waits.exists() and done.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    table.send_signal(number)
    try:
        _, error = table.communicate(timeout=90)
    finally:
        table.kill()
    assert b"KeyboardInterrupt" in error
    handle = locks.try_lock(Path("runs/b/seed0.lock"))
    assert handle is not None, "nobody works there any more"
    locks.unlock(handle)
    assert json.loads(done.read_text(encoding="utf-8"))["official"] == {}
    assert make_all([some_run("a"), some_run("b")], python, jobs=2) == []
    assert sum("runs/a/seed0 " in line for line in calls()) == 1
