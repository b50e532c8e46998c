"""The examples of CONTRIBUTING.md do what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

_TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def _example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", _TEXT, re.DOTALL)
    assert found, f"CONTRIBUTING.md has no example {name!r}"
    return found[1]


@pytest.mark.slow
def test_a_fusion_head_in_twenty_lines_trains(tmp_path: Path) -> None:
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
    assert re.search(r"fusion +Product .* B×32", done.stdout)
    assert (tmp_path / "run" / "metrics.json").is_file()
