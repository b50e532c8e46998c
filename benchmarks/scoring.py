"""Time and memory of scoring 10 thousand, 100 thousand, a million faces.

Run with ``python -m benchmarks.scoring MODEL.onnx --to FOLDER`` on a machine that does nothing
else. Each size is a process of its own with one thread. The faces are made up as they are asked
for, part by part, so that nothing but the answers is kept. Killed, the same command resumes with
the part that was in hand.

The ratios say how seconds and memory grow from one size to the next, which is ten times the faces:
a ratio of 10 of the time is linear, one of 1 of the memory is none. ``FOLDER`` is one that
``python -m tools.ledger add`` takes numbers from, by metrics such as ``scoring.1000000.rate``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Watch, peak_mib, read_figures, write_figures
from fer.inference.scoring.table import Part, Rows, Table

SIZES = (10_000, 100_000, 1_000_000)
STEPS = ("scoring",)
_SIDE = 48
_DRAWN = 700
_PART = 4096


def faces(first: int, count: int) -> npt.NDArray[np.uint8]:
    """Return some made-up faces, uint8 ``[count, 48, 48]``: drawn ones, shifted and lit anew."""
    base = _drawn()
    found = np.empty((count, _SIDE, _SIDE), dtype=np.uint8)
    for i in range(count):
        rng = np.random.default_rng((0, first + i))
        down, right, light = rng.integers(-3, 4), rng.integers(-3, 4), rng.integers(-20, 21)
        face = np.roll(base[(first + i) % len(base)], (down, right), (0, 1)).astype(np.int16)
        found[i] = np.clip(face + light, 0, 255)
    return found


@cache
def _drawn() -> npt.NDArray[np.uint8]:
    from fer.data.synthetic import SyntheticFaces

    return SyntheticFaces(train=_DRAWN, val=0, test=0).load().splits["train"].images


@dataclass(frozen=True, slots=True)
class MadeUp(Table):
    """A table of faces that are made when they are read."""

    def read(self, parts: Sequence[Part]) -> Iterator[tuple[Part, Rows]]:
        """Yield parts and their rows."""
        for part in parts:
            cells = [face.tobytes() for face in faces(part.first, part.rows)]
            yield part, Rows(Path(), None, cells, are_pixels=True)


def table(count: int) -> MadeUp:
    """Return a table of so many faces."""
    starts = range(0, count, _PART)
    parts = tuple(
        Part(n, 0, 0, first, first, min(_PART, count - first)) for n, first in enumerate(starts)
    )
    return MadeUp((Path("made-up.parquet"),), "crops", "image", None, parts, f"made up {count}")


Work = Callable[[Callable[[int], object]], None]


def scoring(count: int, folder: Path, model: str) -> Work:
    """Score a table, by what ``fer predict TABLE --to FOLDER`` does."""
    from fer.inference.scoring import (
        ScoringJob,
        ScoringOptions,
        claim_output_dir,
        score_locally,
        summarize,
    )

    to = folder / f"answers-{count}"
    job = ScoringJob(table(count), to, model, ScoringOptions(), 1)
    # What is loaded once is not counted: neither its libraries nor the model.
    job.recognizer().classify(faces(0, 1))

    def work(tick: Callable[[int], object]) -> None:
        with claim_output_dir(job) as left:
            score_locally(job, left, tick)
            assert summarize(job).faces == count, "each face is answered once"

    return work


def measured(step: str, count: int, folder: Path, model: str) -> dict[str, float]:
    """Return the cost of a step in a new process."""
    command = [sys.executable, "-m", "benchmarks.scoring", model, "--to", str(folder)]
    command += ["--worker", step, str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def worker(step: str, count: int, folder: Path, model: str) -> None:
    """Do a step and print its cost as JSON."""
    import cv2

    cv2.setNumThreads(1)
    _drawn()
    work = scoring(count, folder, model)
    before = peak_mib()
    watch = Watch(folder / f"{step}-{count}.seconds")
    work(watch.tick)
    seconds = watch.seconds
    found = {"seconds": seconds, "rate": count / seconds, "mib": peak_mib(), "mib_before": before}
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="an exported model, or the name of a shipped one")
    parser.add_argument("--to", type=Path, required=True, help="the folder of the figures")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of faces")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker[0], int(options.worker[1]), options.to, options.model)
        return 0
    options.to.mkdir(parents=True, exist_ok=True)
    config = {"model": Path(options.model).name, "side": _SIDE, "part": _PART}
    metrics: dict[str, Any] = read_figures(options.to, config)
    print(f"{'step':<12}{'faces':>10}{'s':>10}{'/s':>9}{'× s':>7}{'MiB':>8}{'× MiB':>8}")
    for count in options.sizes:
        for step in STEPS:
            known = metrics.setdefault(step, {})
            if str(count) not in known:
                known[str(count)] = measured(step, count, options.to, options.model)
                write_figures(options.to, metrics, config, "faces made up from seed 0")
                for rest in options.to.glob(f"{step}-{count}.*"):
                    rest.unlink()
            one, less = known[str(count)], known.get(str(count // 10))
            growth = [f"{one[key] / less[key]:.2f}" if less else "" for key in ("seconds", "mib")]
            print(f"{step:<12}{count:>10,}{one['seconds']:>10.1f}{one['rate']:>9,.0f}{growth[0]:>7}"
                  f"{one['mib']:>8.0f}{growth[1]:>8}", flush=True)  # fmt: skip
        shutil.rmtree(options.to / f"answers-{count}", ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
