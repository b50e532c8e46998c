"""A training begins with the weights of another: what is taken, and what can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fer.core.errors import UserError
from fer.learning import FerModule
from fer.learning.initial_weights import begin_with
from tests.support.learners import small_module


def learner(*overrides: str, seed: int = 0, **changes: Any) -> FerModule:
    torch.manual_seed(seed)
    module = small_module(*overrides)
    return FerModule(**(dict(module.hparams) | changes)) if changes else module


def stored(folder: Path, module: FerModule, **changes: Any) -> Path:
    """Write what a checkpoint holds of a learner."""
    path = folder / "best.ckpt"
    options = dict(module.hparams) | changes
    # Metrics and other things beside the network are not asked for.
    weights = {**module.state_dict(), "val_scores.other": torch.zeros(3)}
    torch.save({"state_dict": weights, "hyper_parameters": options}, path)
    return path


def test_all_weights_and_statistics_are_taken(tmp_path: Path) -> None:
    there, here = learner(), learner(seed=1)
    there.network.backbone.stages[0].norm.running_mean.fill_(0.5)
    said = begin_with(stored(tmp_path, there), here)
    assert said == f"began with the weights of {tmp_path / 'best.ckpt'}\n"
    for name, tensor in there.network.state_dict().items():
        assert torch.equal(here.network.state_dict()[name], tensor), name


@pytest.mark.parametrize("classes", [["x", "y"], ["b", "a", "c"], ["a", "b", "c", "d", "e"]])
def test_other_classes_get_a_new_last_layer(tmp_path: Path, classes: list[str]) -> None:
    """Names in another order are other classes, too."""
    there = learner(classes=["a", "b", "c"])
    here = learner(classes=classes, seed=1)
    before = {name: tensor.clone() for name, tensor in here.network.state_dict().items()}
    said = begin_with(stored(tmp_path, there), here)
    assert "classes are others (a, b, c), so head.layers.3 is made anew" in said
    after = here.network.state_dict()
    for name, tensor in there.network.state_dict().items():
        expected = before[name] if name.startswith("head.layers.3.") else tensor
        assert torch.equal(after[name], expected), name


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model.lstm.units=5",), r"head.layers.0.weight is \(16, 26\), and \(16, 32\) here"),
        (("lstm=columns", "backbone=vgg"), "of another network: backbone"),
        (("model.head.hidden=[]",), r"head.layers.0.bias is \(4,\), and \(16,\) here; 4 of "),
        (("model.head.hidden=[16,16]",), r"is of another network: .* tensors differ"),
        (("model.preprocessing.mean=0.5",), "scaled otherwise .preprocessing.shift.: set"),
    ],
)
def test_another_network_is_refused(
    tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    small = ("model.backbone.widths=[6,6,8,8]", "model.lstm.units=8", "model.head.hidden=[16]")
    there = small_module(*small, *overrides, small=False)
    here = learner()
    before = {name: tensor.clone() for name, tensor in here.network.state_dict().items()}
    with pytest.raises(UserError, match=message):
        begin_with(stored(tmp_path, there), here)
    assert all(torch.equal(before[n], t) for n, t in here.network.state_dict().items())


def test_what_has_seen_test_faces_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path, learner(), invalid="test faces were trained on")
    with pytest.raises(UserError, match=r"INVALID: test faces were trained on"):
        begin_with(path, learner())
    assert begin_with(path, learner(invalid="test faces were trained on"))


@pytest.mark.parametrize("content", [b"", b"no archive", None, {"epoch": 3}, {"state_dict": [1]}])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "best.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(UserError, match=r"no file|no checkpoint"):
        begin_with(path, learner())
