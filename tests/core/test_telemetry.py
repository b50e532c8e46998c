"""Nothing leaves the machine by itself: connections and look-ups of native code are recorded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer.core.telemetry import OFF, disable_telemetry
from tests.support.films import write_film
from tests.support.live_server import free_port
from tests.support.outbound import Recorder, recorder_in
from tests.support.photos import grace_hopper, grace_hopper_path

USE = """
import fer, numpy, time
fer.load("fast").analyze(numpy.zeros((90, 90, 3), numpy.uint8))
time.sleep({seconds})
"""
#: ONNX Runtime's collector is called some nine seconds after it was loaded.
LONG = 14
REACHES = """
import socket
for whom in ("localhost", "127.0.0.1", "192.0.2.1", "somewhere.invalid"):
    try:
        socket.create_connection((whom, 9), timeout=0.1)
    except OSError:
        pass
"""


def reports(recorder: Recorder) -> bool:
    """Say whether this ONNX Runtime reports to its maker where it is let."""
    recorder.run("-c", "import onnxruntime")
    found = bool(recorder.identifiers())
    recorder.home = recorder.home.with_name("home of fer")
    recorder.home.mkdir()
    return found


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return recorder_in(tmp_path)


def test_the_recorder_sees_what_leaves_the_machine(recorder: Recorder) -> None:
    recorder.run("-c", REACHES)
    assert recorder.attempts() == ["connect 192.0.2.1", "look-up somewhere.invalid"]


def test_a_loaded_model_leaves_no_identifier(recorder: Recorder) -> None:
    if not reports(recorder):
        pytest.skip("this ONNX Runtime has no telemetry")
    recorder.run("-c", USE.format(seconds=0))
    assert recorder.identifiers() == []
    # Who chooses otherwise gets it; so the test sees what it looks for.
    recorder.run("-c", USE.format(seconds=0), ORT_DISABLE_TELEMETRY="0")
    assert recorder.identifiers() != []


def test_too_late_is_said(recorder: Recorder) -> None:
    both = "import onnxruntime, fer"
    assert "import fer first" in recorder.run("-c", both)
    assert recorder.run("-c", both, ORT_DISABLE_TELEMETRY="1") == ""
    assert recorder.run("-c", "import fer, onnxruntime") == ""


def test_a_choice_stays_and_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OFF:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.setenv("DO_NOT_TRACK", "")
    disable_telemetry()
    assert {name: os.environ[name] for name in OFF} == {**OFF, "ORT_DISABLE_TELEMETRY": "0"}


def test_libraries_know_the_variables() -> None:
    """A renamed variable would switch nothing off."""
    code = """
import fer
from huggingface_hub import constants
from wandb.env import error_reporting_enabled
assert constants.HF_HUB_DISABLE_TELEMETRY and not error_reporting_enabled()
"""
    pytest.importorskip("wandb")
    subprocess.run([sys.executable, "-c", code], check=True)
    usage = pytest.importorskip("ray._common.usage.usage_constants")
    assert usage.USAGE_STATS_ENABLED_ENV_VAR in OFF


@pytest.mark.slow
def test_a_program_that_runs_on_reaches_for_nothing(recorder: Recorder) -> None:
    reporting = reports(recorder)
    recorder.attempts()
    recorder.run("-c", USE.format(seconds=LONG))
    assert recorder.attempts() == []
    recorder.run("-c", USE.format(seconds=LONG), ORT_DISABLE_TELEMETRY="0")
    assert bool(recorder.attempts()) == reporting, "what would leave is seen"


@pytest.mark.slow
def test_a_server_reaches_for_nothing(recorder: Recorder) -> None:
    pytest.importorskip("fastapi")
    port = free_port()
    with recorder.started("-m", "fer.cli", "serve", "--port", str(port)) as server:
        deadline, status = time.monotonic() + 120, 0
        while status != 200:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.5)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                    status = answer.status
            except OSError:
                continue
        time.sleep(LONG)
    assert (recorder.attempts(), recorder.identifiers()) == ([], [])


FACES = ("data=synthetic", "data.source.train=200", "data.source.val=70", "data.source.test=70")
TINY = (*FACES, "debug=tiny", "trainer=cpu")
COMMANDS: dict[str, tuple[str, ...]] = {
    "predict": ("fer.cli", "predict", "face.jpg", "--json", "faces.json"),
    "ray": ("fer.cli", "predict", "faces.csv", "--to", "answers", "--engine", "ray"),
    "video": ("fer.cli", "video", "film.avi", "--tracks", "tracks.csv"),
    "data check": ("fer.cli", "data", "check", "pictures"),
    "export": ("fer.cli", "export", "fast", "--to", "model.onnx"),
    "train": ("fer.train", *TINY, "logger=csv", "hydra.run.dir=run"),
    "tensorboard": ("fer.train", *TINY, "logger=tensorboard", "hydra.run.dir=run"),
    "wandb, offline": ("fer.train", *TINY, "logger=wandb", "logger.mode=offline"),
    "evaluate": ("fer.evaluate", "ckpt=fast", *FACES),
    "search": ("fer.search", *TINY, "search.trials=1"),
    "table": ("fer.table", "--help"),
    "baseline": ("fer.baseline", "--help"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_reaches_for_nothing(recorder: Recorder, name: str) -> None:
    if name == "ray":
        pytest.importorskip("ray")
    folder = recorder.folder
    (folder / "faces.csv").write_text("path\nface.jpg\n")
    Image.open(grace_hopper_path()).save(folder / "face.jpg")
    write_film(folder / "film.avi", [grace_hopper()] * 3)
    noise = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in ("happy", "sad"):
            (folder / "pictures" / split / label).mkdir(parents=True)
            for i in range(3):
                image = Image.fromarray(noise.integers(0, 256, (48, 48), np.uint8))
                image.save(folder / "pictures" / split / label / f"{i}.png")
    said = recorder.run("-m", *COMMANDS[name], codes=(0, 1) if name == "data check" else (0,))
    assert "Traceback" not in said
    assert (recorder.attempts(), recorder.identifiers()) == ([], [])
