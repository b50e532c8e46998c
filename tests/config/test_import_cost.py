"""A mistake is told, and help is shown, before anything slow is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: Each takes a second or more; wandb also reaches out.
SLOW = {
    "torch",
    "lightning",
    "torchmetrics",
    "albumentations",
    "matplotlib",
    "wandb",
    "timm",
    "cv2",
}

MODULES = (
    "import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
)


def imported_by(code: str, *arguments: str) -> tuple[set[str], str]:
    """Return the modules that a fresh interpreter holds after ``code``, and what it wrote."""
    command = [sys.executable, "-c", f"{code}\n{MODULES}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    output, _, names = done.stdout.rstrip().rpartition("\n")
    return set(json.loads(names)), output


def test_importing_the_package_is_light() -> None:
    modules, _ = imported_by("import fer; assert len(fer.EMOTIONS) == 7 and fer.__version__")
    heavy = {*SLOW, "numpy", "onnxruntime", "PIL", "tqdm", "hydra", "omegaconf", "yaml"}
    assert not modules & heavy
    assert "fer" in modules


def test_help_and_the_check_of_a_configuration_are_light() -> None:
    code = """
import sys
from pathlib import Path

import pytest
from fer.train import main
assert main() == 0

from fer.config.compose import compose, single_runs
from fer.config.issues import ConfigError
for run in single_runs(["data=synthetic,fer2013", "logger=wandb", "seed=1"]):
    compose("train", run)
try:
    compose("train", ["lr=0.1", "seed=-1"])
except ConfigError as error:
    assert len(error.issues) == 2
sys.argv[1:] = ["seed=-1"]
assert main() == 2
"""
    modules, output = imported_by(code, "--help")
    assert "Groups and their choices" in output
    assert not modules & SLOW
    assert "hydra" in modules


def test_the_check_of_an_evaluation_is_light() -> None:
    code = """
import sys
from pathlib import Path

import pytest
from fer.evaluate import main
assert main() == 0
sys.argv[1:] = ["ckpt=default", "compare=[a]"]
assert main() == 2
"""
    modules, output = imported_by(code, "--help")
    assert "Groups and their choices" in output
    assert not modules & {*SLOW, "sklearn", "scipy", "pyarrow"}


def test_planning_a_table_or_a_search_is_light() -> None:
    modules, _ = imported_by("import fer.experiments.table.plan, fer.experiments.search.driver")
    assert not modules & SLOW


@pytest.mark.parametrize("name", ["train", "evaluate", "baseline", "table", "search"])
def test_a_command_without_its_extra_says_so(name: str, tmp_path: Path) -> None:
    program = (
        "import sys, runpy\n"
        "NAMES = ('hydra', 'omegaconf', 'torch', 'lightning')\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in NAMES:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import importlib.util as u\n"
        "u.find_spec = lambda name, found=u.find_spec: "
        "None if name in NAMES else found(name)\n"
        f"sys.argv = ['fer.{name}']\n"
        f"runpy.run_module('fer.{name}', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert ".[train]" in done.stderr
    assert "Traceback" not in done.stderr
