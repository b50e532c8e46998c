"""What a training starts from: what is loaded, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

from fer.learning import FerModule
from fer.learning.callbacks import BestLastCheckpoint, History, TimeLimit
from fer.learning.checkpoint_io import AtomicCheckpointIO
from fer.learning.initial_state import check_resumable, load_initial_weights
from fer.learning.loop import early_end
from tests.support.errors import raises
from tests.support.learners import pattern_data, quiet_trainer, small_module

SGD = ("optimizer=sgd", "optimizer.lr=0.01", "scheduler=onecycle")


def module_of(*overrides: str, seed: int = 0, **changes: Any) -> FerModule:
    torch.manual_seed(seed)
    module = small_module(*overrides)
    return FerModule(**(dict(module.hparams) | changes)) if changes else module


def stored(folder: Path, module: FerModule, **changes: Any) -> Path:
    """Write what a checkpoint holds of a module."""
    path = folder / "best.ckpt"
    # Metrics and other things beside the network are ignored.
    weights = {**module.state_dict(), "val_scores.other": torch.zeros(3)}
    options = dict(module.hparams) | changes
    torch.save({"state_dict": weights, "hyper_parameters": options}, path)
    return path


def test_all_weights_and_statistics_are_loaded(tmp_path: Path) -> None:
    there, here = module_of(), module_of(seed=1)
    there.network.backbone.stages[0].norm.running_mean.fill_(0.5)
    load_initial_weights(stored(tmp_path, there), here)
    for name, tensor in there.network.state_dict().items():
        assert torch.equal(here.network.state_dict()[name], tensor), name


@pytest.mark.parametrize("classes", [["x", "y"], ["b", "a", "c"]])
def test_other_classes_get_a_new_last_layer(tmp_path: Path, classes: list[str]) -> None:
    """Names in another order are other classes, too."""
    there = module_of(classes=["a", "b", "c"])
    here = module_of(classes=classes, seed=1)
    before = {name: tensor.clone() for name, tensor in here.network.state_dict().items()}
    assert "head.layers.3 is made anew" in load_initial_weights(stored(tmp_path, there), here)
    after = here.network.state_dict()
    for name, tensor in there.network.state_dict().items():
        expected = before[name] if name.startswith("head.layers.3.") else tensor
        assert torch.equal(after[name], expected), name


@pytest.mark.parametrize(
    ("overrides", "code", "where"),
    [
        (("model.lstm.units=5",), "other_network", "head.layers.0.weight"),
        (("model.head.hidden=[]",), "other_network", "head.layers.0.bias"),
        (("model.preprocessing.mean=0.5",), "other_preprocessing", "preprocessing.shift"),
    ],
)
def test_another_network_is_refused(
    tmp_path: Path, overrides: tuple[str, ...], code: str, where: str
) -> None:
    there, here = module_of(*overrides), module_of()
    before = {name: tensor.clone() for name, tensor in here.network.state_dict().items()}
    with raises(code, where):
        load_initial_weights(stored(tmp_path, there), here)
    assert all(torch.equal(before[n], t) for n, t in here.network.state_dict().items())


def test_what_has_seen_test_faces_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path, module_of(), invalid="test faces were trained on")
    with raises("other_protocol", "best.ckpt"):
        load_initial_weights(path, module_of())
    assert load_initial_weights(path, module_of(invalid="test faces were trained on"))


@pytest.mark.parametrize(
    ("content", "code"), [(None, "no_file"), ({"epoch": 3}, "no_weights"), (b"bytes", None)]
)
def test_what_is_not_a_checkpoint_is_refused(tmp_path: Path, content: Any, code: Any) -> None:
    path = tmp_path / "best.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ValueError, match=str(path)) as raised:
        load_initial_weights(path, module_of())
    assert code is None or getattr(raised.value, "code", "") == code


class TimeIsUp(TimeLimit):
    """Its time is up as soon as an epoch has ended."""

    def time_elapsed(self, stage: str = "train") -> float:
        return 0.0 if self.start_time() is None else 1e9


def start(
    folder: Path, *callbacks: lightning.Callback, ckpt_path: Path | None = None, epochs: int = 3
) -> lightning.Trainer:
    trainer = quiet_trainer(folder, BestLastCheckpoint(), History(), *callbacks, max_epochs=epochs)
    torch.manual_seed(0)
    trainer.fit(
        small_module(*SGD), datamodule=pattern_data(), ckpt_path=ckpt_path, weights_only=True
    )
    return trainer


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a training whose time was up after its first epoch."""
    folder = tmp_path_factory.mktemp("slow")
    trainer = start(folder, TimeIsUp("00:00:00:01"))
    assert trainer.current_epoch == 1
    early = early_end(trainer)
    assert early is not None
    assert early.by_time
    # Three steps of nine: past its peak at the second, of 0.01, which falls to zero in seven.
    assert "after epoch 1 of 3: the rate, planned over 3, was left at 0.0086; " in early.message
    return folder / "checkpoints" / "last.ckpt"


def test_time_counts_from_each_start(last: Path, tmp_path: Path) -> None:
    trainer = start(tmp_path / "a", TimeIsUp("00:00:00:01"), ckpt_path=last)
    assert trainer.current_epoch == 2
    path = tmp_path / "a" / "checkpoints" / "last.ckpt"
    ended = start(tmp_path / "b", TimeLimit("01:00:00:00"), ckpt_path=path)
    assert ended.current_epoch == 3
    assert early_end(ended) is None


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (("optimizer.lr=0.02",), "optimizer.lr"),
        (("scheduler=cosine",), "scheduler._target_"),
        (("loss=focal",), "loss._target_"),
    ],
)
def test_other_settings_are_not_resumed(last: Path, overrides: tuple[str, ...], where: str) -> None:
    check_resumable(last, small_module(*SGD))
    with raises("other_settings", where):
        check_resumable(last, small_module(*SGD, *overrides))
    with raises("weights_alone", "best.ckpt"):
        check_resumable(stored(last.parents[1], small_module(*SGD)), None)


def test_names_of_earlier_versions_are_known(last: Path, tmp_path: Path) -> None:
    content = torch.load(last, weights_only=True)
    state = content["callbacks"].pop(next(k for k in content["callbacks"] if "BestLast" in k))
    content["callbacks"]["BestAndLast{'monitor': 'val/acc'}"] = state
    content["hyper_parameters"]["scheduler"]["_target_"] = "fer.learning.schedules.OneCycle"
    torch.save(content, tmp_path / "old.ckpt")
    check_resumable(tmp_path / "old.ckpt", small_module(*SGD))
    callbacks = AtomicCheckpointIO().load_checkpoint(tmp_path / "old.ckpt")["callbacks"]
    assert callbacks["BestLastCheckpoint{'monitor': 'val/acc'}"] == state
