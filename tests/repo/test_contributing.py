"""The examples of CONTRIBUTING.md do what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fer
from fer.core.errors import UserError

_TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def _example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", _TEXT, re.DOTALL)
    assert found, f"CONTRIBUTING.md has no example {name!r}"
    return found[1]


@pytest.mark.slow
def test_a_fusion_head_in_twenty_lines_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _example("module")
    body = [line for line in module.split("class ")[1].splitlines() if line.strip()]
    assert len(body) + len(_example("configuration").splitlines()) <= 20
    (tmp_path / "product.py").write_text(module, encoding="utf-8")
    (tmp_path / "my_conf" / "fusion").mkdir(parents=True)
    file = tmp_path / "my_conf" / "fusion" / "product.yaml"
    file.write_text(_example("configuration"), encoding="utf-8")
    python, *arguments = _example("command").split()
    assert python == "python"
    small = ["data.source.train=64", "data.source.val=32", "data.source.test=32"]
    done = subprocess.run(
        [sys.executable, *arguments, *small, "hydra.run.dir=run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"\| network\.fusion +\| Product +\|.*\[1, 32\] *\n", done.stdout)
    assert (tmp_path / "run" / "metrics.json").is_file()

    # In use, by those who allow it alone.
    Image.fromarray(np.zeros((48, 48), dtype=np.uint8)).save(tmp_path / "photo.png")
    few = ["data.source.train=8", "data.source.val=8", "data.source.test=32", "report=false"]
    for line in _example("use").splitlines():
        python, *arguments = line.split()
        more = [*few, "hydra.run.dir=judged"] if "fer.evaluate" in line else []
        done = subprocess.run(
            [sys.executable, *arguments, *more],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert fer.load(tmp_path / "model.onnx").classes
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="--allow product"):
        fer.load(tmp_path / "run" / "checkpoints" / "best.ckpt")
    assert "product" not in sys.modules
