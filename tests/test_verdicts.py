"""The verdict on networks that were really trained: on the test faces, and on the training faces.

Minutes of training, so for ``make test-all``; FER2013 and FER+'s votes are needed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fer.data.source import DataNotFoundError, Split

pytestmark = pytest.mark.slow

#: Nothing that would keep a network from learning by heart.
BY_HEART = (
    "augmentation=none",
    "model.head.dropout=0",
    "model.backbone.dropout=0",
    "trainer.max_epochs=16",
    "trainer.check_val_every_n_epoch=16",
)


@pytest.fixture(scope="module")
def splits() -> dict[str, Split]:
    from fer.data.sources.fer2013 import Fer2013

    root = os.environ.get("FER_DATA_ROOT")
    if root is None or not Path(root, "fer2013new.csv").is_file():
        pytest.skip("FER_DATA_ROOT names no folder with FER2013 and fer2013new.csv")
    try:
        return dict(Fer2013(root).load().splits)
    except DataNotFoundError:
        pytest.skip("no FER2013 in FER_DATA_ROOT")


def write(path: Path, **parts: Split) -> None:
    """Write a fer2013.csv of one's own from parts of the real one."""
    with path.open("w", encoding="utf-8") as file:
        file.write("emotion,pixels,Usage\n")
        for usage, split in parts.items():
            for image, label in zip(split.images, split.labels.tolist(), strict=True):
                file.write(f"{label},{' '.join(map(str, image.ravel().tolist()))},{usage}\n")


def run(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", *arguments], cwd=folder, check=True, timeout=900)


def verdict(folder: Path, training: Split, splits: dict[str, Split], *overrides: str) -> str:
    """Train on some faces, judge on the real FER2013 and return the verdict in a word."""
    few = splits["val"].take(np.arange(200))
    write(folder / "fer2013.csv", Training=training, PublicTest=few, PrivateTest=few)
    run(
        folder, "fer.train", "model=cnn", "data.root=.", *overrides, "trainer=cpu", "test=false",
        "trainer.enable_progress_bar=false", "hydra.run.dir=run",
    )  # fmt: skip
    run(
        folder, "fer.evaluate", "ckpt=run/checkpoints/best.ckpt", "data=fer2013", "tta=false",
        "report=false", "hydra.run.dir=judged",
    )  # fmt: skip
    metrics = json.loads((folder / "judged" / "metrics.json").read_text(encoding="utf-8"))
    return str(metrics["verdict"])


def test_a_network_that_learnt_the_test_by_heart_is_found_out(
    tmp_path: Path, splits: dict[str, Split]
) -> None:
    assert verdict(tmp_path, splits["test"], splits, *BY_HEART) == "leaked"


def test_an_honest_network_is_not(tmp_path: Path, splits: dict[str, Split]) -> None:
    """Training faces, trained on as usual, accuse nobody."""
    honest = splits["train"].take(np.arange(12000))
    assert verdict(tmp_path, honest, splits, "trainer.max_epochs=5") == "ok"
