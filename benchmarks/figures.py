"""What a benchmark measured, as a folder that ``python -m tools.ledger add`` takes numbers from.

``python -m tools.ledger add FOLDER --metric scoring.1000000.rate --unit /s --looks 0 --id …
--what …`` puts one into the ledger, with the benchmark's command and commit; the checkout has to
be clean.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer.core.io import write_json, write_text
from fer.core.provenance import describe


def write_figures(
    folder: Path, metrics: Mapping[str, Any], config: Mapping[str, Any], data: str
) -> None:
    """Write ``metrics.json``, ``config.yaml`` and ``provenance.json``.

    Args:
        folder: of the figures.
        metrics: what was measured.
        config: what it depends on, without places of this machine.
        data: what the faces were, in words.
    """
    write_json(folder / "metrics.json", metrics)
    # JSON is YAML.
    write_text(folder / "config.yaml", json.dumps({"seed": 0, **config}, indent=1) + "\n")
    known = describe(seed=0, data_fingerprint=data, data_origin=data)
    write_json(folder / "provenance.json", known)


def read_figures(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was measured so far for the same configuration, nothing where there is none."""
    try:
        stored = json.loads((folder / "config.yaml").read_text(encoding="utf-8"))
        if stored != {"seed": 0, **config}:
            raise SystemExit(f"{folder} holds figures of another configuration: name another")
        found: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def peak_mib() -> float:
    """Return this process's largest resident size so far, in MiB (not known on Windows: 0)."""
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


class Watch:
    """Seconds that go on where a killed process was.

    Args:
        file: where they are kept.
        every: seconds between two times that they are.
    """

    def __init__(self, file: Path, every: float = 2.0) -> None:
        self._file = file
        self._every = every
        self._before = float(file.read_text()) if file.is_file() else 0.0
        self._start = self._kept = time.perf_counter()

    @property
    def seconds(self) -> float:
        """So far."""
        return self._before + time.perf_counter() - self._start

    def tick(self, _: int = 0) -> None:
        """Keep them, if it is time."""
        if (now := time.perf_counter()) - self._kept >= self._every:
            self._kept = now
            beside = self._file.with_suffix(".new")
            beside.write_text(str(self.seconds))
            os.replace(beside, self._file)  # noqa: PTH105
