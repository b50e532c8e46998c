"""Training on a converted set: ``data=streaming`` from the command line to the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.converted import converted
from tests.support.picture_folders import write_class_folders
from tests.support.train_command import Train, last

pytestmark = [
    # A resumed run writes to the folder that it began in.
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]

RUN = (
    "trainer=cpu", "trainer.precision=32-true", "trainer.enable_progress_bar=false",
    "logger=none", "lstm=none", "fusion=none", "model=cnn", "model.backbone.widths=[4,4,4,4]",
    "data.size=16", "data.batch_size=8", "augmentation=paper", "scheduler=cosine",
    "data.resident=false", "data.workers=0",
)  # fmt: skip
FOLDERS = {"train/a": 20, "train/b": 12, "val/a": 4, "val/b": 3, "test/a": 3, "test/b": 3}


@pytest.fixture
def streamed(elsewhere: Path) -> None:
    write_class_folders(elsewhere / "pictures", FOLDERS, (16, 16))
    converted(elsewhere / "pictures", elsewhere / "set", size=16)


def test_what_does_not_fit_is_said_first(train: Train, streamed: None) -> None:
    answer = train("data=streaming", *RUN)
    assert answer.code == 2
    assert "data=streaming needs data.root=FOLDER" in answer.err
    answer = train("data=streaming", "data.root=set", *RUN, "data.size=48")
    assert (answer.code, "set data.size=16" in answer.err) == (2, True)
    answer = train("data=streaming", "data.root=set", *RUN, "data.protocol=resplit")
    assert (answer.code, "copies all faces into memory" in answer.err) == (2, True)


@pytest.mark.slow
def test_the_weights_are_those_of_faces_in_memory(
    train: Train, elsewhere: Path, streamed: None
) -> None:
    """Bit for bit, and so they are where the run was resumed between two epochs."""
    from fer.cli import main as cli

    choices = {
        "folder": ["data=folder", "data.root=pictures"],
        "streaming": ["data=streaming", "data.root=set"],
    }
    for name, choice in choices.items():
        answer = train(*choice, *RUN, f"hydra.run.dir=runs/{name}", "trainer.max_epochs=3")
        assert answer.code == 0, answer
    start = [*choices["streaming"], *RUN, "hydra.run.dir=runs/resumed", "resume=auto"]
    plan = "scheduler=none"  # Its rate does not depend on how long the run is.
    for epochs in (1, 3):
        assert train(*start, plan, f"trainer.max_epochs={epochs}").code == 0
    whole = [*choices["streaming"], *RUN, plan, "hydra.run.dir=runs/whole"]
    assert train(*whole, "trainer.max_epochs=3").code == 0
    for one, other in (("folder", "streaming"), ("resumed", "whole")):
        first, second = (last(elsewhere / "runs" / name)["state_dict"] for name in (one, other))
        assert all(torch.equal(first[key], second[key]) for key in second), (one, other)
    # What comes of it is judged on the same set.
    import sys

    sys.argv = ["fer", "evaluate", "ckpt=runs/streaming/checkpoints/best.ckpt", "report=false",
                *choices["streaming"], "hydra.run.dir=runs/judged"]  # fmt: skip
    assert cli() == 0
    assert (elsewhere / "runs/judged/metrics.json").is_file()
