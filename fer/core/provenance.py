"""How a result was made: command, code, versions, machine, data and seed."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

_PACKAGES: Final = (
    "fer-framework", "torch", "lightning", "torchmetrics", "hydra-core", "albumentations", "timm",
    "numpy", "opencv-python-headless", "onnxruntime", "wandb",
)  # fmt: skip


def describe(*, seed: int, data_fingerprint: str, data_origin: str) -> dict[str, Any]:
    """Return what is needed to repeat a run, as plain containers.

    Returns:
        ``command``, ``time`` (UTC), ``commit`` and ``dirty`` (None outside a git checkout),
        ``seed``, ``data``, ``versions`` of installed packages, ``python``, ``machine``.
    """
    commit, dirty = _git()
    return {
        "command": command_line(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "dirty": dirty,
        "seed": seed,
        "data": {"fingerprint": data_fingerprint, "origin": data_origin},
        "versions": _versions(),
        "python": platform.python_version(),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
    }


def command_line() -> str:
    """Return the command of this process as shell text."""
    module = getattr(getattr(sys.modules.get("__main__"), "__spec__", None), "name", None)
    start = ["python", "-m", module] if module else [Path(sys.argv[0]).name]
    return shlex.join([*start, *sys.argv[1:]])


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git() -> tuple[str | None, bool | None]:
    """Return commit and dirty flag of the checkout that this package runs from, if any."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None, None
    try:
        commit = _run_git(folder, "rev-parse", "HEAD")
        changes = _run_git(folder, "status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit.strip(), bool(changes.strip())


def _run_git(folder: Path, *arguments: str) -> str:
    return subprocess.run(  # noqa: S603 - fixed arguments
        ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
    ).stdout


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
