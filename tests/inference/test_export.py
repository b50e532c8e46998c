"""Exported models: one file that answers as the network does, at any batch size."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from fer.inference import CheckpointModel, Description, OnnxModel, load_checkpoint
from fer.inference.export import TOLERANCE, ExportError, export
from fer.inference.onnx_file import as_file
from fer.inference.parity import compare
from tests.inference.conftest import COLUMNS, checkpoint
from tests.support.models import resealed
from tests.support.pattern_faces import CLASSES

FACES = np.random.default_rng(1).integers(0, 256, (70, 48, 48), dtype=np.uint8)


def test_graph_is_what_other_languages_need(small_onnx: Path) -> None:
    session = ort.InferenceSession(str(small_onnx), providers=["CPUExecutionProvider"])
    (faces,) = session.get_inputs()
    assert (faces.name, faces.type) == ("faces", "tensor(uint8)")
    assert isinstance(faces.shape[0], str), "any batch size"
    assert faces.shape[1:] == [48, 48]
    assert {one.name for one in session.get_outputs()} == {"probabilities", "logits"}


@pytest.mark.parametrize("batch", [1, 2, 5, 33, 70])
def test_answers_are_the_networks(
    exported: OnnxModel, small_network: CheckpointModel, batch: int
) -> None:
    probabilities, logits = exported.answer(FACES[:batch], batch_size=batch)
    wanted = small_network.logits(FACES[:batch])
    np.testing.assert_allclose(logits, wanted, atol=TOLERANCE)
    tempered = torch.softmax(torch.from_numpy(wanted) / 1.7, dim=1).numpy()
    np.testing.assert_allclose(probabilities, tempered, atol=TOLERANCE)
    np.testing.assert_allclose(probabilities, small_network.answer(FACES[:batch])[0], atol=1e-4)


def test_batches_change_nothing(exported: OnnxModel) -> None:
    whole, parts = exported.answer(FACES, batch_size=70), exported.answer(FACES, batch_size=9)
    np.testing.assert_allclose(whole[1], parts[1], atol=1e-5)
    assert exported.answer(FACES[:0])[0].shape == (0, len(CLASSES))


def test_file_says_what_it_is(exported: OnnxModel, small_onnx: Path) -> None:
    known = exported.description
    assert (known.classes, known.size, known.fit) == (CLASSES, 48, "pad")
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
    np.testing.assert_allclose(
        model.logits(FACES[:3], beside), network.logits(FACES[:3], beside), atol=1e-4
    )
    np.testing.assert_allclose(model.logits(FACES[:3]), network.logits(FACES[:3]), atol=1e-4)
    assert np.abs(model.logits(FACES[:3], beside) - model.logits(FACES[:3])).max() > 1e-3


def test_invalid_networks_are_refused(tmp_path: Path, small_network: CheckpointModel) -> None:
    learnt = dataclasses.replace(small_network, invalid="learnt from test faces")
    with pytest.raises(ExportError, match="INVALID"):
        export(learnt, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_answers_otherwise_is_not_written(
    tmp_path: Path, small_network: CheckpointModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"older")
    monkeypatch.setattr("fer.inference.export.TOLERANCE", 0.0)
    with pytest.raises(ExportError, match="nothing was written"):
        export(small_network, path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
@pytest.mark.parametrize("spoil", ["size", "node"])
def test_what_can_not_be_run_is_not_written(
    tmp_path: Path, small_network: CheckpointModel, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    """What ONNX Runtime says of a graph, when it is opened or asked, becomes an error of ours."""

    def spoilt(graph: onnx.ModelProto, description: Description) -> bytes:
        if spoil == "size":
            graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
        else:
            graph.graph.node[0].op_type = "Nothing"
        return as_file(graph, description)

    monkeypatch.setattr("fer.inference.export.as_file", spoilt)
    with pytest.raises(ExportError, match="can't be run, so nothing was written"):
        export(small_network, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_comparison_sees_a_changed_weight(tmp_path: Path, small_network: CheckpointModel,
                                          small_onnx: Path) -> None:  # fmt: skip
    graph = onnx.load(str(small_onnx))
    weights = max(graph.graph.initializer, key=lambda one: len(one.raw_data))
    values = np.frombuffer(weights.raw_data, dtype=np.float32) * np.float32(1.1)
    weights.raw_data = values.tobytes()
    (tmp_path / "changed.onnx").write_bytes(resealed(graph))
    found = compare(small_network, OnnxModel(tmp_path / "changed.onnx", threads=1))
    assert max(found.logits, found.probabilities) > TOLERANCE
