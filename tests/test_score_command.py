"""``fer predict TABLE --to FOLDER``: exit codes, messages, kills. Tables: test_scoring.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fer
import fer.core.errors
from fer.cli import main as cli
from fer.commands import score as scoring
from tests.support.crops import crops, write_crops
from tests.support.faces_in_frames import RedSquares, scene
from tests.support.train_command import contents

Predict = Callable[..., tuple[int, str]]


@pytest.fixture
def predict(
    small_onnx: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Predict:
    """Run ``fer predict`` in an empty folder, with a detector that finds red squares."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fer.inference.loading.make_detector", lambda *_, **__: RedSquares())

    def run(*arguments: str | Path | int) -> tuple[int, str]:
        names = ["fer", "predict", *map(str, arguments)]
        names += [] if "--model" in names else ["--model", str(small_onnx)]
        monkeypatch.setattr(sys, "argv", [*names, "--threads", "1"])
        try:
            code = cli()
        except SystemExit as end:
            code = int(end.code or 0)
        output = capsys.readouterr()
        assert output.out == ""
        return code, output.err

    return run


def test_what_could_not_be_read_is_listed(predict: Predict) -> None:
    write_crops(Path("faces.parquet"), [*crops(3), None])
    for _ in range(2):  # Of what was done before, too.
        assert predict("faces.parquet", "--to", "out", "--part", 2) == (
            1,
            "fer predict: 1 of 4 rows could not be read:\n  row 3: the row holds no face\n"
            "4 rows, 3 faces: out\n",
        )
    assert predict("faces.parquet", "--to", "shards", "--part", 2, "--shards", 2) == (
        0,
        "shard 0 of 2: 2 rows, 2 faces: shards\n",
    )


def test_an_interrupt_keeps_what_is_done(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    write_crops(Path("faces.parquet"), crops(30))

    def interrupted(job: Any, parts: Any, advance: Any) -> None:
        for count, part in enumerate(job.score(job.recognizer(), parts)):
            advance(part.rows)
            if count == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "_engine", lambda *_: interrupted)
    code, said = predict("faces.parquet", "--to", "out", "--part", 10)
    assert code == 130
    assert said.endswith(
        "20 rows, 20 faces: out\n"
        "fer predict: interrupted; what is done is kept, and the same command resumes\n"
    )
    monkeypatch.undo()


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_what_can_not_be_used_claims_no_folder(
    predict: Predict, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """The corrected command is not refused, and Ray, which takes long, is not started for it."""

    def refuse(*_: object, **__: object) -> None:
        raise fer.core.errors.UserError("no such detector")

    def started(*_: object) -> None:
        raise AssertionError("the work has begun")

    Image.fromarray(scene()).save("list.png")
    Path("list.csv").write_text("path\nlist.png\n")
    Path("text.onnx").write_text("no model")
    start = ["list.csv", "--to", "out"]
    with monkeypatch.context() as patched:
        patched.setattr(scoring, "find_spec", lambda _: True)
        patched.setattr(scoring, "_engine", started)
        code, said = predict(*start, "--engine", engine, "--model", "text.onnx")
        assert (code, "text.onnx is no ONNX model" in said) == (2, True), said
        patched.setattr("fer.inference.loading.make_detector", refuse)
        code, said = predict(*start, "--engine", engine)
        assert (code, said) == (2, "fer predict: no such detector\n")
    assert not Path("out").exists()
    assert predict(*start)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["no.csv", "--to", "out"],
        ["empty", "--to", "empty/out"],
        ["faces.parquet", "other.csv", "--to", "out"],
        ["faces.parquet", "--to", "out", "--csv", "a.csv"],
        ["faces.parquet", "--to", "out", "--shards", "2", "--shard", "2"],
        ["faces.parquet", "--to", "out", "--crops"],
        ["faces.parquet", "--to", "out", "--model", "no.onnx"],
        ["faces.parquet", "--to", "out", "--part", "0"],
        ["faces.parquet"],
        ["faces.parquet", "--shards", "2"],
    ],
)
def test_wrong_use_is_refused(predict: Predict, arguments: list[str]) -> None:
    write_crops(Path("faces.parquet"), crops(3))
    Path("empty").mkdir()
    assert predict(*arguments)[0] == 2
    assert not list(Path().glob("**/part-*"))


def test_missing_extras_are_named(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    write_crops(Path("faces.parquet"), crops(3))
    monkeypatch.setattr(scoring, "find_spec", lambda name: None if name == "ray" else True)
    code, said = predict("faces.parquet", "--to", "out", "--engine", "ray")
    assert (code, "pip install '.[ray]'" in said) == (2, True)
    monkeypatch.setattr(scoring, "find_spec", lambda name: None)
    code, said = predict("faces.parquet", "--to", "out")
    assert (code, "pip install '.[score]'" in said) == (2, True)


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, check=False, cwd=folder, capture_output=True, text=True)


def command(small_onnx: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "fer.cli", "predict", *arguments, "--model", str(small_onnx)]


def test_neither_torch_nor_lightning_is_needed(small_onnx: Path, tmp_path: Path) -> None:
    write_crops(tmp_path / "faces.parquet", crops(5))
    code = (
        "import sys\n"
        "for name in ('torch', 'lightning', 'hydra', 'albumentations', 'ray'):\n"
        "    sys.modules[name] = None\n"
        "from fer.cli import main\n"
        "sys.exit(main())"
    )
    arguments = command(small_onnx, "faces.parquet", "--to", "out")[3:]
    ran = run([sys.executable, "-c", code, *arguments], tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "5 rows, 5 faces: out\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills by signals are POSIX")
def test_killed_at_any_moment(small_onnx: Path, tmp_path: Path) -> None:
    images = [*crops(3000), None]
    write_crops(tmp_path / "faces.parquet", images, group=1000)
    start = ["faces.parquet", "--part", "50", "--threads", "1", "--to"]
    whole = command(small_onnx, *start, "whole")
    assert run(whole, tmp_path).returncode == 1
    rng = np.random.default_rng(time.time_ns())
    for _ in range(4):
        running = subprocess.Popen(
            command(small_onnx, *start, "out"), cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        before = len(list((tmp_path / "out").glob("part-*")))
        while running.poll() is None and len(list((tmp_path / "out").glob("part-*"))) < before + 5:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert len(list((tmp_path / "out").glob("part-*"))) >= before
    assert run(command(small_onnx, *start, "out"), tmp_path).returncode == 1
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_ray_answers_the_same(small_onnx: Path, tmp_path: Path) -> None:
    """Byte for byte, and what was done before stays."""
    pytest.importorskip("ray.data", reason="the extra ray is not installed")
    write_crops(tmp_path / "faces.parquet", [*crops(300), None], group=100)
    start = ["faces.parquet", "--part", "30", "--to"]
    for more in (["here", "--threads", "2"], ["ray", "--engine", "ray"]):
        ran = run(command(small_onnx, *start, *more), tmp_path)
        if "Ray did not start: " in ran.stderr:
            pytest.skip(f"Ray waits half a minute for itself: {ran.stderr.strip()}")
        assert ran.returncode == 1, ran.stderr
        assert ran.stderr.endswith(f"301 rows, 300 faces: {more[0]}\n"), ran.stderr
        (tmp_path / "ray").mkdir(exist_ok=True)
        for name in ("_job.json", "part-000003.parquet"):
            if more[0] == "here":
                (tmp_path / "ray" / name).write_bytes((tmp_path / "here" / name).read_bytes())
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")
