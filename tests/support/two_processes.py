"""One job for one process or for several: ``python -m tests.support.two_processes``.

It scores and trains given weights, so that what several processes find can be held against one.
Lightning starts the others by the same command.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from fer.learning import FerModule
from fer.learning.callbacks import GradualUnfreezing
from fer.learning.loop import seed_everything_quietly
from tests.support.learners import pattern_data, quiet_trainer, small_module

#: Faces of each split; the last batch of the test split is a smaller one in each process, and one
#: process has one face more than the other.
FACES = {"train": 90, "val": 22, "test": 29}
GLOBAL_BATCH = 8
STEPS = 10


def learner(kind: str) -> FerModule:
    """Return the network with batch statistics that is scored, or the one without that trains."""
    if kind == "scored":
        return small_module()
    plain = ("model=lstm", "lstm=rows", "backbone=none", "fusion=none", "model.lstm.units=8")
    return small_module(
        *plain,
        "model.head.hidden=[16]",
        "model.head.dropout=0.0",
        "optimizer=sgd",
        "optimizer.lr=0.05",
        "scheduler=none",
        small=False,
    )


def job(folder: Path, devices: int) -> dict[str, Any] | None:
    """Score ``scored.pt`` and train ``trained.pt`` for a few steps.

    Returns:
        ``confusion`` and ``metrics`` of the test split, ``weights`` after the training and the
        ``thawed`` ones after a training by stages; None in other processes than the first.
    """
    seed_everything_quietly(0)
    strategy = "ddp" if devices > 1 else "auto"
    options: dict[str, Any] = {"devices": devices, "strategy": strategy, "precision": "32-true"}
    batch = GLOBAL_BATCH // devices

    scored = learner("scored")
    scored.load_state_dict(torch.load(folder / "scored.pt", weights_only=True))
    trainer = quiet_trainer(folder, **options)
    trainer.test(scored, datamodule=pattern_data(**FACES, batch_size=batch), verbose=False)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}

    trained = learner("trained")
    trained.load_state_dict(torch.load(folder / "trained.pt", weights_only=True))
    trainer = quiet_trainer(folder, max_steps=STEPS, limit_val_batches=0, **options)
    trainer.fit(trained, datamodule=pattern_data(**FACES, batch_size=batch))

    # In its second epoch the LSTM begins to learn, of which the processes must have known before.
    thawed = learner("trained")
    thawed.load_state_dict(torch.load(folder / "trained.pt", weights_only=True))
    if devices > 1:
        options["strategy"] = "ddp_find_unused_parameters_true"
    stages = [{"parts": ["head"]}, {"parts": ["lstm"], "epoch": 1, "rate": 0.5}]
    slow = quiet_trainer(
        folder,
        GradualUnfreezing(stages=stages),
        max_epochs=2,
        limit_train_batches=STEPS,
        limit_val_batches=0,
        **{**options, "enable_checkpointing": False},
    )
    slow.fit(thawed, datamodule=pattern_data(**FACES, batch_size=batch))
    if not trainer.is_global_zero:
        return None
    return {
        "steps": trainer.global_step,
        "processes": trainer.world_size,
        "confusion": scored.confusion["test"],
        "metrics": metrics,
        "weights": trained.state_dict(),
        "thawed": thawed.state_dict(),
    }


def main() -> None:
    """Do the job and leave what it found in the folder."""
    folder, devices = Path(sys.argv[1]), int(sys.argv[2])
    found = job(folder, devices)
    if found is not None:
        torch.save(found, folder / f"found{devices}.pt")


if __name__ == "__main__":
    main()
