"""How long the first load of FER2013 takes, and every later one.

Run with ``FER_DATA_ROOT=FOLDER python -m benchmarks.first_load``. Each load is a process of its
own with a fresh cache; the reference beside it is the plain loop over ``csv.DictReader`` and
``int`` that reads every pixel too, but checks, hashes and keeps nothing.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fer.data.sources.fer2013 import Fer2013

_BLOCK = 1 << 20


def peak_mib() -> float:
    """Return this process's largest resident size so far, in MiB (not known on Windows: 0)."""
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def read_plainly(path: Path) -> None:
    """Read every face with the standard library and NumPy, as a short script would."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        faces = [
            np.array(list(map(int, row["pixels"].split())), dtype=np.uint8)
            for row in csv.DictReader(file)
        ]
    np.stack(faces)


def measure(task: str, path: Path, cache: Path) -> tuple[float, float]:
    """Return the seconds and the peak MiB of one task, run in a new process."""
    command = [sys.executable, "-m", "benchmarks.first_load", task, str(path), str(cache)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, mib = json.loads(answer)
    return seconds, mib


def run(task: str, path: Path, cache: Path) -> None:
    """Do one task and print its cost as JSON."""
    start = time.perf_counter()
    if task == "plain":
        read_plainly(path)
    else:
        Fer2013(str(path), str(cache)).load()
    print(json.dumps([time.perf_counter() - start, peak_mib()]))


def main() -> int:
    """Print the table."""
    root = os.environ.get("FER_DATA_ROOT")
    packed = Path(root or "", "fer2013.csv.gz")
    plain = Path(root or "", "fer2013.csv")
    if not root or not (packed.is_file() or plain.is_file()):
        print("set FER_DATA_ROOT to the folder of fer2013.csv or fer2013.csv.gz", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        if not plain.is_file():
            plain = Path(folder, "fer2013.csv")
            with gzip.open(packed) as source, plain.open("wb") as target:
                shutil.copyfileobj(source, target, _BLOCK)
        print(f"{'file':<16}{'plain s':>9}{'first s':>9}{'ratio':>7}{'peak MiB':>10}{'later s':>9}")
        for path in filter(Path.is_file, (plain, packed)):
            cache = Path(folder, f"cache of {path.name}")
            reference, _ = measure("plain", path, cache)
            first, mib = measure("load", path, cache)
            later, _ = measure("load", path, cache)
            print(
                f"{path.name:<16}{reference:>9.2f}{first:>9.2f}{first / reference:>6.2f}x"
                f"{mib:>10.0f}{later:>9.3f}"
            )
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 4:
        run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(main())
