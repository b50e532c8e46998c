"""The paper's network in small, and a trainer that is quiet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from fer.data.augmentation import Augmentation
from fer.data.datamodule import FaceDataModule
from fer.learning import FerModule
from tests.support.parts import composed
from tests.support.pattern_faces import CLASSES, PatternFaces

#: Everything else is as `python -m fer.train` has it.
SMALL = (
    "model=cnn_lstm",
    "backbone=small",
    "lstm=rows",
    "fusion=concat",
    "model.backbone.widths=[6,6,8,8]",
    "model.lstm.units=8",
    "model.head.hidden=[16]",
)


def small_module(*overrides: str, small: bool = True) -> FerModule:
    """Return the learner; ``overrides`` are those of the command line, after ``SMALL`` or not."""
    config = composed(*(SMALL if small else ()), *overrides)
    return FerModule(
        model=config["model"],
        loss=config["loss"],
        optimizer=config["optimizer"],
        scheduler=config["scheduler"],
        classes=list(CLASSES),
        size=48,
    )


def pattern_data(
    train: int = 48, val: int = 22, test: int = 13, *, batch_size: int = 16
) -> FaceDataModule:
    """Return formula-made faces without augmentation."""
    source = PatternFaces({"train": train, "val": val, "test": test})
    return FaceDataModule(source, Augmentation(), size=48, batch_size=batch_size, workers=0, seed=0)


def quiet_trainer(folder: Path, *callbacks: Callback, **options: Any) -> lightning.Trainer:
    """Return a trainer on the processor, with the settings that all runs of `fer.train` have."""
    settings: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "callbacks": list(callbacks),
        "enable_checkpointing": bool(callbacks),
        "default_root_dir": str(folder),
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return lightning.Trainer(**(settings | options))
