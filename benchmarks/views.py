"""What looking at a face several times is worth, on PublicTest.

Run with ``FER_DATA_ROOT=FOLDER python -m benchmarks.views MODEL``: accuracy of a shipped or
exported model with one view, with the mirrored one beside it, and with the ten of
:func:`fer.inference.views.views`, whose probabilities are averaged. ``--to FOLDER`` keeps them for
``python -m tools.ledger add``: ``views.1``, ``views.2``, ``views.10``. PrivateTest is not read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import fer
from benchmarks.figures import write_figures
from benchmarks.pasted import public_test
from fer.inference.views import views


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="an exported model, or the name of a shipped one")
    parser.add_argument("--to", type=Path, help="the folder of the figures")
    options = parser.parse_args()
    known = public_test()
    if known is None:
        return 2
    faces, labels = known
    recognizer = fer.load(options.model, threads=1)
    each = [recognizer.classify(view).probabilities for view in views(faces)]
    # Views are as they are in four shifts and the middle, then all of that mirrored.
    chosen = {1: each[:1], 2: [each[0], each[5]], 10: each}
    scores = {
        str(count): float((np.mean(some, axis=0).argmax(axis=1) == labels).mean())
        for count, some in chosen.items()
    }
    for count, score in scores.items():
        print(f"{count:>2} views: {100 * score:.2f} % of {len(labels):,} faces")
    if options.to:
        config = {"model": Path(options.model).name, "faces": len(labels)}
        write_figures(options.to, {"views": scores}, config, "FER2013 PublicTest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
