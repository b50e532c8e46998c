"""Build the wheel, and commands that don't see the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build_wheel(folder: Path) -> Path:
    """Build the checkout's wheel into ``folder`` with the build tools that are installed."""
    (wheel,) = build(ROOT, folder, "wheel")
    return wheel


def build(root: Path, folder: Path, kind: str) -> list[Path]:
    """Build the ``wheel`` or ``sdist`` of a project into ``folder`` and return what is there."""
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation"]
    command += ["--outdir", str(folder), str(root)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return list(folder.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def run_outside(
    command: Sequence[str | Path], folder: Path, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder of its own, without what would lead Python to the checkout."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {
        name: value
        for name, value in os.environ.items()
        # The coverage of a test run would follow into an environment that has no coverage.
        if name not in hidden and not name.startswith(("COV_", "COVERAGE_", "PYTEST_"))
    }
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def python_of(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
