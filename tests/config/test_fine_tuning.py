"""A network trained on one data set, tuned on another from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.picture_folders import write_class_folders
from tests.support.train_command import SMALL, Train, assert_same_end, last, rows

pytestmark = [
    # A resumed run writes to the folder that it began in.
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    pytest.mark.filterwarnings("ignore:Experiment logs directory .* exists and is not empty"),
]

RUN = (
    *SMALL,
    "test=false",
    "logger=none",
    "trainer.precision=32-true",
    "data.batch_size=16",
    "model.preprocessing.crop=44",
)
FIRST = "first/checkpoints/best.ckpt"
PROGRESSIVE = "callbacks=[default,progressive]"


def first(train: Train) -> dict[str, torch.Tensor]:
    """Train on the built-in faces; return the weights of the best epoch."""
    assert train(*RUN, "trainer.max_epochs=1", "hydra.run.dir=first").code == 0
    weights: dict[str, torch.Tensor] = torch.load(FIRST, weights_only=True)["state_dict"]
    return weights


@pytest.mark.slow
def test_other_data_and_classes_are_tuned_for_by_stages(train: Train, elsewhere: Path) -> None:
    began = first(train)
    root = elsewhere / "pictures"
    write_class_folders(root, dict.fromkeys(("train/a", "train/b", "val/a", "val/b"), 16))
    kept = [text for text in RUN if not text.startswith("data")]
    stages = "[{parts:[head]},{parts:[lstm],epoch:1,rate:0.5},{parts:[backbone],epoch:2}]"
    tuned = [
        *kept, "data=folder", f"data.root={root}", "data.batch_size=8", f"init_from={FIRST}",
        PROGRESSIVE, f"callbacks.progressive.stages={stages}",
        "scheduler=plateau", "scheduler.patience=0",
        "model.head.dropout=0.3",
    ]  # fmt: skip
    answer = train(*tuned, "trainer.max_epochs=3", "hydra.run.dir=whole")
    assert answer.code == 0, answer
    assert f"began with the weights of {FIRST}; its classes are others (angry," in answer.out
    assert "so head.layers.3 is made anew" in answer.out
    assert "  epoch 3   × 1      backbone\n" in answer.out
    assert len(rows(elsewhere / "whole" / "history.csv")) == 3

    answer = train(*tuned, "trainer.max_epochs=1", "hydra.run.dir=cut")
    assert answer.code == 0, answer
    stored = last(elsewhere / "cut")["state_dict"]
    moved = {
        name.split(".")[1]
        for name, tensor in stored.items()
        if name in began
        and (tensor.shape != began[name].shape or (tensor - began[name]).abs().max() > 1e-6)
    }
    assert moved == {"head"}

    # What a run began with is no longer needed once it is under way.
    Path(FIRST).unlink()
    answer = train(*tuned, "trainer.max_epochs=3", "hydra.run.dir=cut", "resume=auto")
    assert answer.code == 0, answer
    assert "began with" not in answer.out
    assert_same_end(elsewhere / "cut", elsewhere / "whole")


@pytest.mark.slow
def test_another_network_is_refused_before_the_data(train: Train, elsewhere: Path) -> None:
    first(train)
    kept = [text for text in RUN if not text.startswith("data")]
    answer = train(*kept, f"init_from={FIRST}", "model.lstm.units=5", "data=fer2013")
    assert answer.code == 2
    assert f"init_from  {FIRST} is of another network" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.slow
def test_other_stages_do_not_go_on(train: Train, elsewhere: Path) -> None:
    first(train)
    answer = train(*RUN, "ckpt_path=first/checkpoints/last.ckpt", PROGRESSIVE)
    assert answer.code == 2
    assert "is of a training by other stages" in answer.err
    assert "Traceback" not in answer.err
