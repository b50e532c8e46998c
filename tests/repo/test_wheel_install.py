"""The wheel as users install it, in an environment of its own.

This takes minutes, the package index, and about 6 GB of temporary space (torch's Linux wheel
brings its CUDA libraries), which is given back at the end.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer.pictures import read_picture
from tests.support.films import write_film
from tests.support.photos import grace_hopper_path
from tests.support.wheel import build_wheel, python_of, run_outside

pytestmark = pytest.mark.slow

MINUTES = 60.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "environment"
    ran = run_outside([sys.executable, "-m", "venv", folder], tmp_path)
    assert ran.returncode == 0, ran.stderr
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def install(environment: Path, what: str, empty: Path) -> None:
    command = [python_of(environment), "-m", "pip", "install", "--quiet", what]
    ran = run_outside(command, empty, timeout=20 * MINUTES)
    assert ran.returncode == 0, ran.stderr


def test_plain_install(environment: Path, wheel: Path, empty: Path, small_onnx: Path) -> None:
    python = python_of(environment)
    install(environment, str(wheel), empty)
    code = (
        "import fer, importlib.util as u; print(fer.__file__); print(*fer.EMOTIONS)\n"
        "raise SystemExit(any(map(u.find_spec, ('torch', 'lightning', 'hydra', 'wandb'))))"
    )
    ran = run_outside([python, "-c", code], empty)
    assert ran.returncode == 0, "training packages came along"
    assert Path(ran.stdout.splitlines()[0]).is_relative_to(environment)
    assert "happy" in ran.stdout

    ran = run_outside([python, "-m", "fer.train", "data=synthetic"], empty)
    assert ran.returncode == 2, ran.stderr
    assert "[train]" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.splitlines()) == 1

    command = environment / python.parent.name / "fer"
    ran = run_outside([command, "serve"], empty)
    assert ran.returncode == 2, ran.stderr
    assert ".[serve]" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    ran = run_outside([command, "--version"], empty)
    assert ran.returncode == 0, ran.stderr
    assert list(empty.iterdir()) == []

    photo = grace_hopper_path()
    ran = run_outside([command, "predict", photo, "--model", small_onnx, "--csv", "a.csv"], empty)
    assert ran.returncode == 0, ran.stderr
    assert len((empty / "a.csv").read_text().splitlines()) == 2
    write_film(empty / "a.avi", [read_picture(photo)] * 3)
    ran = run_outside([command, "video", "a.avi", "--model", small_onnx, "--out", "b.mp4",
                       "--tracks", "b.csv"], empty)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert len((empty / "b.csv").read_text().splitlines()) == 4


def test_install_for_training(environment: Path, wheel: Path, empty: Path) -> None:
    install(environment, f"{wheel}[train]", empty)
    choices = ["debug=tiny", "data=synthetic", "trainer=cpu", "hydra.run.dir=run", "test=true"]
    command = [python_of(environment), "-m", "fer.train", *choices]
    ran = run_outside(command, empty, timeout=5 * MINUTES)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert 0 <= json.loads((empty / "run" / "metrics.json").read_text())["test/acc"] <= 1
    assert sorted(path.name for path in (empty / "run" / "checkpoints").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
    ]
