"""The file answers as the network, whatever the batch, and says by itself what it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

import fer
from fer.cli import main
from fer.core.errors import UserError
from fer.inference import CheckpointModel, Description, OnnxModel, load_checkpoint
from fer.inference.checkpoint import MAKING
from fer.inference.export import TOLERANCE, export, export_checkpoint
from fer.inference.half import to_fp16, with_fp16_weights
from fer.inference.onnx_file import as_file
from fer.inference.parity import compare
from fer.learning.callbacks import BestLastCheckpoint, EMAWeights
from fer.learning.callbacks.distillation import read_teachers
from fer.learning.checkpoint_io import add_to_checkpoint
from fer.learning.initial_state import check_resumable, load_initial_weights
from tests.inference.conftest import COLUMNS, checkpoint
from tests.support.errors import raises
from tests.support.learners import pattern_data, quiet_trainer, small_module
from tests.support.models import resealed
from tests.support.pattern_faces import CLASSES

FACES = np.random.default_rng(1).integers(0, 256, (70, 48, 48), dtype=np.uint8)


def test_graph_is_what_other_languages_need(small_onnx: Path) -> None:
    session = ort.InferenceSession(str(small_onnx), providers=["CPUExecutionProvider"])
    (faces,) = session.get_inputs()
    assert (faces.name, faces.type) == ("faces", "tensor(uint8)")
    assert isinstance(faces.shape[0], str), "any batch size"
    assert faces.shape[1:] == [48, 48]
    assert {output.name for output in session.get_outputs()} == {"probabilities", "logits"}


@pytest.mark.parametrize("batch", [0, 1, 2, 5, 33, 70])
def test_answers_are_the_networks(
    exported: OnnxModel, small_network: CheckpointModel, batch: int
) -> None:
    probabilities, logits = exported.answer(FACES[:batch], batch_size=max(1, batch))
    wanted = small_network.logits(FACES[:batch])
    np.testing.assert_allclose(logits, wanted, atol=TOLERANCE)
    tempered = torch.softmax(torch.from_numpy(wanted) / 1.7, dim=1).numpy()
    np.testing.assert_allclose(probabilities, tempered, atol=TOLERANCE)
    np.testing.assert_allclose(exported.logits(FACES[:batch], batch_size=9), logits, atol=1e-5)


def test_file_says_what_it_is(exported: OnnxModel, small_onnx: Path) -> None:
    known = exported.description
    assert (known.classes, known.size, known.fit, known.storage) == (CLASSES, 48, "pad", "float32")
    assert known.temperature == pytest.approx(1.7)
    assert known.recipe == {"version": "test"}
    # Nothing of the machine that exported.
    text = small_onnx.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in text
    assert b"site-packages" not in text


@pytest.mark.slow
def test_metadata_may_be_left_out(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "best.ckpt", columns=COLUMNS)
    network = load_checkpoint(path)
    export(network, tmp_path / "model.onnx")
    model = OnnxModel(tmp_path / "model.onnx", threads=1)
    beside = np.array([[30.0, 1.0], [np.nan, 0.0], [55.0, np.nan]], dtype=np.float32)
    for given in (beside, None):
        wanted = network.logits(FACES[:3], given)
        np.testing.assert_allclose(model.logits(FACES[:3], given), wanted, atol=1e-4)
    assert np.abs(model.logits(FACES[:3], beside) - model.logits(FACES[:3])).max() > 1e-3


def test_invalid_networks_are_refused(tmp_path: Path, small_network: CheckpointModel) -> None:
    learnt = dataclasses.replace(small_network, invalid="learnt from test faces")
    with raises("invalid_network"):
        export(learnt, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_answers_otherwise_is_not_written(
    tmp_path: Path, small_network: CheckpointModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"older")
    monkeypatch.setattr("fer.inference.export.TOLERANCE", 0.0)
    with raises("export_differs", where="model.onnx"):
        export(small_network, path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
@pytest.mark.parametrize("spoil", ["size", "node"])
def test_what_can_not_be_run_is_not_written(
    tmp_path: Path, small_network: CheckpointModel, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    """Whatever ONNX Runtime raises about a graph becomes an error of ours."""

    def spoilt(graph: onnx.ModelProto, description: Description) -> bytes:
        if spoil == "size":
            graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
        else:
            graph.graph.node[0].op_type = "Nothing"
        return as_file(graph, description)

    monkeypatch.setattr("fer.inference.export.as_file", spoilt)
    with raises("export_not_runnable"):
        export(small_network, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_comparison_sees_a_changed_weight(tmp_path: Path, small_network: CheckpointModel,
                                          small_onnx: Path) -> None:  # fmt: skip
    graph = onnx.load(str(small_onnx))
    weights = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = np.frombuffer(weights.raw_data, dtype=np.float32) * np.float32(1.1)
    weights.raw_data = values.tobytes()
    (tmp_path / "changed.onnx").write_bytes(resealed(graph))
    found = compare(small_network, OnnxModel(tmp_path / "changed.onnx", threads=1))
    assert max(found.logits, found.probabilities) > TOLERANCE


# --- half precision ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensor", "dtype"),
    [
        (torch.rand(3, 4) - 0.5, torch.float16),
        (torch.rand(2, 1, 3, 3).bfloat16(), torch.float16),
        (torch.zeros(2, 2), torch.float16),
        (torch.rand(5), torch.float32),
        (torch.tensor(0.1), torch.float32),
        (torch.ones(2, 2, dtype=torch.int64), torch.int64),
        (torch.empty(0, 4), torch.float32),
        # Too large, too small, and no numbers.
        (torch.tensor([[1e5, 1.0]]), torch.float32),
        (torch.tensor([[1e-7, -3e-8]]), torch.float32),
        (torch.tensor([[torch.nan, 1.0]]), torch.float32),
    ],
)
def test_matrices_that_lose_at_most_a_step_are_rounded(
    tensor: torch.Tensor, dtype: torch.dtype
) -> None:
    found = to_fp16({"weight": tensor})["weight"]
    assert (found.dtype, found.shape) == (dtype, tensor.shape)
    if dtype == torch.float16:
        changed = (found.float() - tensor.float()).abs().max()
        assert changed <= tensor.float().abs().max() * 2.0**-11


def test_rounding_twice_changes_no_more(small_network: CheckpointModel) -> None:
    before = {name: tensor.clone() for name, tensor in small_network.network.state_dict().items()}
    once = with_fp16_weights(small_network)
    twice = with_fp16_weights(once)
    for name, tensor in once.network.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, twice.network.state_dict()[name])
        assert torch.equal(small_network.network.state_dict()[name], before[name])
    changed = compare(small_network, once)
    assert 0 < changed.logits < 0.01
    assert changed.probabilities < 0.01


@pytest.mark.slow
def test_a_file_in_half_precision_answers_as_the_rounded_network(
    tmp_path: Path, small_network: CheckpointModel
) -> None:
    path = tmp_path / "half.onnx"
    parity = export(small_network, path, half=True)
    assert max(parity.logits, parity.probabilities) <= TOLERANCE
    model = OnnxModel(path, threads=1)
    assert (model.description.storage, model.description.precision) == ("float16", "float32")
    wanted = with_fp16_weights(small_network).logits(FACES)
    np.testing.assert_allclose(model.logits(FACES), wanted, atol=TOLERANCE)
    graph = onnx.load(str(path)).graph
    assert {each.type.tensor_type.elem_type for each in graph.output} == {onnx.TensorProto.FLOAT}
    halves = {
        tensor.name: int(np.prod(tensor.dims))
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT16
    }
    # All kernels and matrices. Those of an LSTM lie in ONNX's order of gates; a layer with one
    # kernel size would be folded with its batch normalisation in float32.
    weights = small_network.network.state_dict()
    assert sum(halves.values()) == sum(each.numel() for each in weights.values() if each.ndim > 1)
    assert "network.backbone.stages.3.filters.0.weight.half" in halves
    assert set(halves) <= {node.input[0] for node in graph.node if node.op_type == "Cast"}


@pytest.mark.slow
def test_what_answers_with_nan_is_not_exported(tmp_path: Path) -> None:
    model = load_checkpoint(checkpoint(tmp_path / "best.ckpt"))
    next(iter(model.network.parameters())).fill_(torch.nan)
    for half in (False, True):
        with raises("export_differs"):
            export(model, tmp_path / "model.onnx", half=half)
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]


# --- checkpoints of the network alone ------------------------------------------------------------


@pytest.fixture(scope="module")
def slim(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slim") / "small.ckpt"
    export_checkpoint(small_checkpoint, path)
    return path


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_it_holds_the_averaged_network_and_nothing_of_its_training(tmp_path: Path) -> None:
    kept = BestLastCheckpoint(monitor="val/acc", mode="max")
    trainer = quiet_trainer(tmp_path, kept, EMAWeights(decay=0.8), max_epochs=1)
    lightning.seed_everything(0, verbose=False)
    trainer.fit(small_module(), datamodule=pattern_data())
    path, to = tmp_path / "checkpoints" / "best.ckpt", tmp_path / "slim.ckpt"
    add_to_checkpoint(path, temperature=1.3, **{MAKING: {"seed": 3}})
    export_checkpoint(path, to)
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
    wanted = with_fp16_weights(small_network).logits(FACES)
    np.testing.assert_allclose(fer.load(slim).classify(FACES).logits, wanted, atol=1e-5)


def test_a_training_begins_with_it_and_learns_from_it_but_does_not_resume(slim: Path) -> None:
    stored = torch.load(slim, weights_only=True)["state_dict"]
    torch.manual_seed(5)
    module = small_module()
    load_initial_weights(slim, module)
    (teacher,) = read_teachers([slim], module)
    for network in (module.network, teacher):
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, stored[f"network.{name}"].to(tensor.dtype)), name
            assert tensor.dtype in (torch.float32, torch.int64)
    with pytest.raises(UserError, match="init_from="):
        check_resumable(slim, small_module())


@pytest.mark.slow
def test_it_is_exported_as_what_it_was_made_of(
    slim: Path, small_checkpoint: Path, tmp_path: Path
) -> None:
    files = []
    for number, source in enumerate((small_checkpoint, slim)):
        for name in ("model.onnx", "model.ckpt"):
            path = tmp_path / f"{number}-{name}"
            half = ["--half"] if path.suffix == ".onnx" else []
            assert main(["export", str(source), "--to", str(path), *half]) == 0
            files.append(path.read_bytes())
    assert files[:2] == files[2:]


@pytest.mark.parametrize("options", [
    ["--to", "m.pt"], ["--to", "m.ckpt", "--int8"], ["--to", "m.onnx", "--int8", "--half"],
    ["--to", "best.ckpt"],
])  # fmt: skip
def test_wrong_use_writes_nothing(
    small_checkpoint: Path, elsewhere: Path, options: list[str]
) -> None:
    path = elsewhere / "best.ckpt"
    path.write_bytes(small_checkpoint.read_bytes())
    assert main(["export", str(path), *options]) == 2
    assert [file.name for file in elsewhere.iterdir()] == ["best.ckpt"]
    assert path.read_bytes() == small_checkpoint.read_bytes()


def test_what_is_no_network_of_use_is_not_written(tmp_path: Path) -> None:
    to = tmp_path / "slim.ckpt"
    path = checkpoint(tmp_path / "best.ckpt", invalid="it learnt from test faces")
    with raises("invalid_network"):
        export_checkpoint(path, to)
    stored = torch.load(checkpoint(path), weights_only=True)
    stored["state_dict"]["network.head.layers.0.weight"][:] = torch.nan
    torch.save(stored, path)
    with raises("export_nan", where="best.ckpt"):
        export_checkpoint(path, to)
    assert [file.name for file in tmp_path.iterdir()] == ["best.ckpt"]
