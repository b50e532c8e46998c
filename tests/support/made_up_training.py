"""Stands in for ``python -m fer.train`` in searches: epochs of hundredths of a second.

The accuracy is a known function of the rate. What else is to happen is said by the environment:
``MADE_UP_SECONDS`` an epoch, ``MADE_UP_END`` (``kill-once``, ``kill``, ``fail`` or ``diverge``) for
trials with a rate above 0.5.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from pathlib import Path

EPOCHS = 4


def accuracy(rate: float, epoch: int) -> float:
    """Return the accuracy after an epoch, counted from 1: best at a rate of 0.01."""
    return round(epoch / EPOCHS * (1 - min(1.0, abs(math.log10(rate) + 2) / 3)), 6)


def main() -> None:
    """Train, from the last epoch that is there."""
    given = dict(text.split("=", 1) for text in sys.argv[3:] if not text.startswith("--"))
    assert sys.argv[1:3] == ["-m", "fer.train"]
    assert (given["test"], given["resume"]) == ("false", "auto")
    folder, rate = Path(given["hydra.run.dir"].strip('"')), float(given["optimizer.lr"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "starts").open("a") as file:
        file.write(f"{os.environ.get('CUDA_VISIBLE_DEVICES')}\n")
    table = folder / "history.csv"
    if not table.exists():
        table.write_text("epoch,val/acc\n")
    begin = len(table.read_text().splitlines())
    for epoch in range(begin, EPOCHS + 1):
        time.sleep(float(os.environ.get("MADE_UP_SECONDS", "0.01")))
        with table.open("a") as file:
            file.write(f"{epoch},{accuracy(rate, epoch)}\n")
        if rate > 0.5:
            go_wrong(folder)
    (folder / "metrics.json").write_text(json.dumps({"val/acc": accuracy(rate, EPOCHS)}))


def go_wrong(folder: Path) -> None:
    """End as the environment says."""
    how = os.environ.get("MADE_UP_END", "")
    starts = len((folder / "starts").read_text().splitlines())
    if how == "kill" or (how == "kill-once" and starts == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "fail":
        sys.exit("fer.train: no such thing")
    if how == "diverge":
        sys.stderr.write("fer.train: the loss became nan in epoch 1\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
