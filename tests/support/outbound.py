"""Programs that are run with each connection and name look-up of their native code written down."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What a machine's owner may have set; a test sets its own.
CHOICES = ("ORT_", "WANDB_", "RAY_", "HF_", "NO_ALBUMENTATIONS", "DO_NOT_TRACK", "XDG_", "FER_")


@dataclass
class Recorder:
    """Runs programs in a home of their own.

    Attributes:
        library: is loaded into each process before all else, and writes down what it reaches for.
        folder: where programs work; their home is in it.
    """

    library: Path
    folder: Path
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.home.mkdir()

    @contextmanager
    def started(self, *command: str | Path, **chosen: str) -> Iterator[subprocess.Popen[str]]:
        """Start a program of Python's, with variables of the user's choice."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(CHOICES)}
        with subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **inherited,
                "HOME": str(self.home),
                "LD_PRELOAD": str(self.library),
                "OUTBOUND_RECORD": str(self.folder / "record"),
                "PYTHONPATH": str(ROOT),
                **chosen,
            },
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *command: str | Path, codes: Sequence[int] = (0,), **chosen: str) -> str:
        """Run a program to its end and return what it said."""
        with self.started(*command, **chosen) as process:
            said, _ = process.communicate(timeout=500)
        assert process.returncode in codes, said
        return said

    def attempts(self) -> list[str]:
        """Return what was reached for beyond this machine, and forget it."""
        record = self.folder / "record"
        found = sorted(set(record.read_text().splitlines())) if record.exists() else []
        record.unlink(missing_ok=True)
        return found

    def identifiers(self) -> list[str]:
        """Return the files by which ONNX Runtime would know this machine again."""
        return [path.name for path in self.home.rglob("*") if "onnxruntime" in str(path.parent)]


def recorder_in(folder: Path) -> Recorder:
    """Return a recorder; the test is skipped where none can be built."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("connections are recorded on Linux, with a C compiler")
    library = folder / "outbound.so"
    source = Path(__file__).with_suffix(".c")
    command = [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"]
    subprocess.run(command, check=True)
    return Recorder(library, folder)
