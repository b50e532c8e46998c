"""Checkpoints of the network alone, in half precision: read wherever a checkpoint is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch

import fer
from fer.core.errors import UserError
from fer.export import main
from fer.inference import CheckpointError, CheckpointModel, load_checkpoint
from fer.inference.checkpoint import MAKING
from fer.inference.export import ExportError
from fer.inference.half import rounded
from fer.inference.slim import write_slim
from fer.learning.callbacks import BestAndLast, ExponentialAverage
from fer.learning.checkpoint_io import add_to_checkpoint, check_checkpoint
from fer.learning.initial_weights import begin_with
from fer.learning.teachers import read_teachers
from tests.inference.conftest import checkpoint
from tests.support.learners import pattern_data, quiet_trainer, small_module
from tests.support.pattern_faces import CLASSES

FACES = np.random.default_rng(1).integers(0, 256, (9, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def slim(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slim") / "small.ckpt"
    write_slim(small_checkpoint, path)
    return path


def trained(folder: Path) -> Path:
    """Train for a moment, with averaged weights; return the checkpoint."""
    kept = BestAndLast(monitor="val/acc", mode="max")
    trainer = quiet_trainer(folder, kept, ExponentialAverage(decay=0.8), max_epochs=1)
    lightning.seed_everything(0, verbose=False)
    trainer.fit(small_module(), datamodule=pattern_data())
    path = folder / "checkpoints" / "best.ckpt"
    add_to_checkpoint(path, temperature=1.3, **{MAKING: {"seed": 3}})
    return path


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_it_holds_the_averaged_network_and_nothing_of_its_training(tmp_path: Path) -> None:
    path, to = trained(tmp_path), tmp_path / "slim.ckpt"
    write_slim(path, to)
    whole: dict[str, Any] = torch.load(path, weights_only=True)
    found: dict[str, Any] = torch.load(to, weights_only=True)
    assert set(found) == {"state_dict", "hyper_parameters", "temperature", MAKING}
    assert (found["temperature"], found[MAKING]) == (1.3, {"seed": 3})
    assert found["hyper_parameters"] == whole["hyper_parameters"]
    names = {name for name in whole["state_dict"] if name.startswith("network.")}
    assert set(found["state_dict"]) == names
    differs = False
    for name, tensor in found["state_dict"].items():
        expected = whole["state_dict"][name]
        large = expected.ndim > 1
        assert tensor.dtype == (torch.float16 if large else expected.dtype), name
        torch.testing.assert_close(tensor, expected.half() if large else expected, rtol=0, atol=0)
        differs |= not torch.equal(expected, whole["current_model_state"][name])
    assert differs, "the average is not the weights of the last step"
    assert to.stat().st_size < path.stat().st_size / 4


def test_its_network_is_the_rounded_one(slim: Path, small_network: CheckpointModel) -> None:
    found = load_checkpoint(slim)
    assert {tensor.dtype for tensor in found.network.parameters()} == {torch.float32}
    assert (found.classes, found.temperature) == (CLASSES, 1.7)
    wanted = rounded(small_network).logits(FACES)
    np.testing.assert_allclose(found.logits(FACES), wanted, atol=1e-5)
    np.testing.assert_allclose(fer.load(slim).classify(FACES).logits, wanted, atol=1e-5)


def test_statistics_beyond_half_precision_are_kept(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "best.ckpt")
    stored = torch.load(path, weights_only=True)
    variance = next(name for name in stored["state_dict"] if name.endswith("running_var"))
    stored["state_dict"][variance][:] = 1e6
    torch.save(stored, path)
    write_slim(path, tmp_path / "slim.ckpt")
    found = torch.load(tmp_path / "slim.ckpt", weights_only=True)["state_dict"][variance]
    assert torch.equal(found, stored["state_dict"][variance])


def test_a_training_begins_with_it_and_learns_from_it(slim: Path) -> None:
    stored = torch.load(slim, weights_only=True)["state_dict"]
    torch.manual_seed(5)
    module = small_module()
    assert begin_with(slim, module) == f"began with the weights of {slim}\n"
    (teacher,) = read_teachers([slim], module)
    for network in (module.network, teacher):
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, stored[f"network.{name}"].to(tensor.dtype)), name
            assert tensor.dtype in (torch.float32, torch.int64)


def test_it_is_not_resumed_from(slim: Path) -> None:
    with pytest.raises(UserError, match=r"weights alone, which can't be resumed.*init_from="):
        check_checkpoint(slim, small_module())


@pytest.mark.slow
def test_it_is_exported_as_what_it_was_made_of(
    slim: Path, small_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for number, source in enumerate((small_checkpoint, slim)):
        for name in ("model.onnx", "model.ckpt"):
            path = tmp_path / f"{number}-{name}"
            half = ["--half"] if path.suffix == ".onnx" else []
            assert main([str(source), "--to", str(path), *half]) == 0
            files.append(path.read_bytes())
    assert files[:2] == files[2:]
    said = capsys.readouterr().out
    assert said.count("same answers as the network") == 2
    assert said.count("weights rounded to half precision: probabilities differ by at most") == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "m.pt"], "must name a file that ends in .onnx or .ckpt"),
        (["--to", "m.ckpt", "--int8"], "--int8 is for .onnx files"),
        (["--to", "m.onnx", "--int8", "--half"], "not allowed with argument"),
        (["--to", "best.ckpt"], "is the checkpoint itself"),
    ],
)
def test_wrong_use_is_told(
    small_checkpoint: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str], *,
    options: list[str], words: str,
) -> None:  # fmt: skip
    path = elsewhere / "best.ckpt"
    path.write_bytes(small_checkpoint.read_bytes())
    try:
        code: Any = main([str(path), *options])
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert words in capsys.readouterr().err
    assert [one.name for one in elsewhere.iterdir()] == ["best.ckpt"]
    assert path.read_bytes() == small_checkpoint.read_bytes()


def test_what_is_no_network_of_use_is_not_written(tmp_path: Path) -> None:
    to = tmp_path / "slim.ckpt"
    path = checkpoint(tmp_path / "best.ckpt", invalid="it learnt from test faces")
    with pytest.raises(ExportError, match="INVALID"):
        write_slim(path, to)
    stored = torch.load(checkpoint(path), weights_only=True)
    stored["state_dict"]["network.head.layers.0.weight"][:] = torch.nan
    torch.save(stored, path)
    with pytest.raises(ExportError, match="no numbers; nothing was written"):
        write_slim(path, to)
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        write_slim(tmp_path / "none.ckpt", to)
    assert [one.name for one in tmp_path.iterdir()] == ["best.ckpt"]
