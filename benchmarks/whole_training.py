"""How long a whole training takes, from the command to the end of its process, and its result.

Run with ``FER_DATA_ROOT=FOLDER python -m benchmarks.whole_training KEY=VALUE …`` (those of
``python -m fer.train``, as ``experiment=speedrun trainer=cpu``) on a machine that does nothing
else. The data's parsed copy should be there already: a user's second training finds it too.
``--to FOLDER`` keeps ``seconds`` and ``public`` for ``python -m tools.ledger add``;
PrivateTest is left alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import write_figures


def main() -> int:
    """Print how long it took and how good it became."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, help="of PyTorch (its default: all cores)")
    parser.add_argument("--to", type=Path, help="the folder of the figures")
    parser.add_argument("overrides", nargs="+", help="of the configuration")
    options = parser.parse_args()
    environment = dict(os.environ)
    if options.threads:
        environment |= {"OMP_NUM_THREADS": str(options.threads)}
    else:
        environment.pop("OMP_NUM_THREADS", None)
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fer.train", *options.overrides, "test=false"]
        start = time.perf_counter()
        command.append(f"hydra.run.dir={folder}/run")
        done = subprocess.run(command, check=False, env=environment)
        seconds = time.perf_counter() - start
        if done.returncode:
            return done.returncode
        metrics = json.loads(Path(folder, "run", "metrics.json").read_text(encoding="utf-8"))
        known = json.loads(Path(folder, "run", "provenance.json").read_text(encoding="utf-8"))
    public = metrics["val/best_acc"]
    print(f"{seconds:.0f} s, {seconds / 60:.1f} min; {100 * public:.2f} % of the validation split")
    if options.to:
        config = {"overrides": options.overrides, "threads": options.threads}
        figures = {"seconds": seconds, "public": public}
        write_figures(options.to, figures, config, known["data"]["fingerprint"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
