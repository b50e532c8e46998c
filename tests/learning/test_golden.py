"""A stored loss curve: the same seed, data and settings learn as they did when it was stored.

It breaks where initialisation, preprocessing, the order of faces, the loss, the optimiser or a
default changes how the paper's network learns. Where that is meant, store the new curve with

    python -m tests.learning.test_golden

and say why in the commit. Dropout is off, since its draws differ between kinds of processors.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from tests.support.learners import pattern_data, quiet_trainer, small_module

STORED = Path(__file__).with_name("golden_loss.json")
STEPS = 12
#: Processors round differently: far more than that, and far less than any change of settings.
TOLERANCE = 1e-3

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


class Losses(Callback):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        self.values.append(outputs["loss"].item())


def losses(folder: Path, *overrides: str, seed: int = 0) -> list[float]:
    """Return the loss of each step of a small run, with settings changed as on a command line."""
    lightning.seed_everything(seed, verbose=False)
    module = small_module("model.head.dropout=0", *overrides)
    seen = Losses()
    data = pattern_data(train=64, val=4, batch_size=16)
    trainer = quiet_trainer(folder, seen, max_epochs=STEPS // 4, enable_checkpointing=False)
    trainer.fit(module, datamodule=data)
    return seen.values


def stored() -> list[float]:
    curve: list[float] = json.loads(STORED.read_text(encoding="utf-8"))["loss"]
    return curve


def agrees(curve: list[float]) -> bool:
    return len(curve) == STEPS and np.allclose(curve, stored(), rtol=TOLERANCE, atol=0)


def test_it_learns_as_it_did(tmp_path: Path) -> None:
    np.testing.assert_allclose(losses(tmp_path), stored(), rtol=TOLERANCE, atol=0)


@pytest.mark.parametrize(
    "override",
    [
        "optimizer.lr=0.0011",
        "model.preprocessing.mean=0.05",
        "model.lstm.pooling=mean",
        "loss.label_smoothing=0.01",
    ],
)
def test_a_change_of_settings_is_seen(tmp_path: Path, override: str) -> None:
    assert not agrees(losses(tmp_path, override))


def test_another_start_is_seen(tmp_path: Path) -> None:
    assert not agrees(losses(tmp_path, seed=1))


def test_another_initialisation_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reset = torch.nn.Linear.reset_parameters

    def larger(layer: torch.nn.Linear) -> None:
        reset(layer)
        with torch.no_grad():
            layer.weight.mul_(1.05)

    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", larger)
    assert not agrees(losses(tmp_path))


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        curve = [float(f"{value:.6g}") for value in losses(Path(temporary))]
    STORED.write_text(json.dumps({"torch": torch.__version__, "loss": curve}, indent=2) + "\n")
    sys.stdout.write(f"{STORED}: {curve[0]:.4f} → {curve[-1]:.4f}\n")
