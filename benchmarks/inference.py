"""What classifying a face costs, beside PyPI's ``fer`` on the same crops in the same run.

Run with ``python -m benchmarks.inference MODEL.onnx … [--turns N]`` on a machine that does nothing
else. Crops are 100 x 100 pixels in colour; making them grey and small is included. One thread each,
in turns, every turn in processes of its own; times are medians. A ratio below 1 of the time, or
above 1 of the rate, is in our favour. The peer's environment is made where ``--reference`` says.
``--to FOLDER`` keeps the figures for ``python -m tools.ledger add``: ``MODEL.one_ms``,
``MODEL.one_ratio``, ``MODEL.rate``, ``MODEL.rate_ratio``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from platformdirs import user_cache_path

from benchmarks import peer
from benchmarks.figures import write_figures

_BATCH = 64


def ours(model: str, path: str, repeats: int) -> None:
    """Print the times of one of our models as JSON."""
    import cv2

    import fer

    cv2.setNumThreads(1)
    recognizer = fer.load(model, threads=1)
    print(json.dumps(peer.clock(recognizer.classify, list(np.load(path)), repeats)))


def measured(model: str, path: Path, repeats: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.inference", "--worker", model, str(path)]
    command += ["--repeats", str(repeats)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="exported models, or names of shipped ones")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=500, help="single faces a turn")
    parser.add_argument(
        "--reference",
        type=Path,
        default=user_cache_path("fer-framework") / "peer",
        help="the folder of the peer's environment",
    )
    parser.add_argument("--to", type=Path, help="the folder of the figures")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        ours(options.models[0], options.models[1], options.repeats)
        return 0
    if len({Path(name).stem for name in options.models}) < len(options.models):
        parser.error("two models have the same name")
    python = peer.environment(options.reference)
    crops = np.random.default_rng(0).integers(0, 256, (_BATCH, 100, 100, 3), dtype=np.uint8)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("PyPI fer", *options.models)}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "crops.npy"
        np.save(path, crops)
        for _ in range(options.turns):
            for name, turns in found.items():
                if name == "PyPI fer":
                    turns.append(peer.run(python, "faces", str(path), str(options.repeats)))
                else:
                    turns.append(measured(name, path, options.repeats))
    median = {
        name: {key: statistics.median(one[key] for one in turns) for key in ("one_ms", "rate")}
        for name, turns in found.items()
    }
    reference = median["PyPI fer"]
    figures = {}
    print(f"{'model':<24}{'one face ms':>12}{'ratio':>7}{f'batch {_BATCH} /s':>13}{'ratio':>7}")
    for name, one in median.items():
        time_ratio, rate_ratio = (one[key] / reference[key] for key in ("one_ms", "rate"))
        print(
            f"{Path(name).name:<24}{one['one_ms']:>12.3f}{time_ratio:>7.2f}"
            f"{one['rate']:>13,.0f}{rate_ratio:>7.2f}"
        )
        figures[Path(name).stem] = {**one, "one_ratio": time_ratio, "rate_ratio": rate_ratio}
    if options.to:
        config = {"side": 100, "batch": _BATCH, "turns": options.turns, "repeats": options.repeats}
        write_figures(options.to, figures, config, "made-up crops from seed 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
