"""A small run of ``python -m fer.train``, in a process of its own, and what it answered."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: A whole run in about a second.
SMALL = (
    "data=synthetic",
    "data.source.train=64",
    "data.source.val=32",
    "data.source.test=32",
    "data.workers=0",
    "model.backbone.widths=[4,4,4,4]",
    "model.lstm.units=4",
    "model.head.hidden=[8]",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.enable_progress_bar=false",
)


#: What Hydra and the CSV log leave beside what a run promises.
LOGS = {".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml", "train.log"}
LOGS |= {"csv/metrics.csv", "csv/hparams.yaml"}
#: With test=true.
PROMISED = {
    "cleaning.csv",
    "config.yaml",
    "provenance.json",
    "metrics.json",
    "history.csv",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "figures/curves.png",
    "figures/confusion_matrix.png",
    "figures/confusion_matrix.csv",
    "test_looks.jsonl",
}


@dataclass(frozen=True)
class Answer:
    """Exit code and output."""

    code: Any
    out: str
    err: str


#: The command run in the test's own process; the fixture ``train`` hands it out.
Train = Callable[..., Answer]


def child_environment(home: Path) -> dict[str, str]:
    """Return someone else's environment: a home without data, keys and settings."""
    import matplotlib as mpl

    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FER_", "WANDB_", "PL_"))}
    own = {"HOME": str(home), "FER_CACHE": str(home / "cache")}
    # A list of fonts takes seconds to make, and threads wait for each other longer than they work.
    return kept | own | {"MPLCONFIGDIR": mpl.get_cachedir(), "OMP_NUM_THREADS": "1"}


def command(*overrides: str) -> list[str]:
    """Return the command line of a run."""
    return [sys.executable, "-m", "fer.train", *overrides]


def run_process(
    folder: Path,
    environment: Mapping[str, str],
    *overrides: str,
    start: Sequence[str] = (sys.executable, "-m", "fer.train"),
) -> Answer:
    """Run the command in ``folder`` with nobody at the keyboard."""
    done = subprocess.run(
        [*start, *overrides],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=240,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder, but for locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("lock")
    }


def files_in(folder: Path) -> set[str]:
    """Return every file below a folder, by its path in it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pictures_in(folder: Path) -> list[Path]:
    """Return what W&B has of pictures, of any kind and wherever it puts them."""
    kinds = {".png", ".jpg", ".jpeg", ".gif", ".webp"}
    return [path for path in (folder / "wandb").rglob("*") if path.suffix in kinds]


def assert_refused(answer: Answer, folder: Path, *words: str) -> None:
    """Hold that there was one message, no traceback and no run."""
    assert answer.code == 2, answer
    assert answer.err.startswith("fer.train: ")
    for word in words:
        assert word in answer.err
    assert "Traceback" not in answer.err + answer.out
    assert files_in(folder) == set()


def last(run: Path) -> dict[str, Any]:
    """Return the last checkpoint of a run."""
    import torch

    checkpoint: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return checkpoint


def assert_same_end(run: Path, whole: Path) -> None:
    """Hold that a run ended with another one's weights, bit for bit, on the same way."""
    import torch

    ours, theirs = last(run), last(whole)
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    for name, tensor in ours["state_dict"].items():
        assert torch.equal(tensor, theirs["state_dict"][name]), name
    assert (ours["epoch"], ours["global_step"]) == (theirs["epoch"], theirs["global_step"])
    assert ours["lr_schedulers"] == theirs["lr_schedulers"]
    assert (run / "history.csv").read_text() == (whole / "history.csv").read_text()
