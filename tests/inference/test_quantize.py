"""Eight bits: smaller, nearly the same answers, and refused where they are not."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from sklearn.metrics import f1_score

from fer.inference import OnnxModel, load_checkpoint
from fer.inference.export import export
from fer.inference.quantize import QuantizationError, macro_f1, quantize
from tests.support.errors import raises
from tests.support.learners import small_module

FACES = np.random.default_rng(3).integers(0, 256, (96, 48, 48), dtype=np.uint8)


def test_eight_bits(tmp_path: Path, small_onnx: Path, exported: OnnxModel) -> None:
    # By its own answers the float32 model is always right.
    labels = exported.logits(FACES).argmax(axis=1).astype(np.int64)
    path = tmp_path / "int8.onnx"
    filters = list(logging.getLogger().filters)
    try:
        found = quantize(small_onnx, path, calibration=FACES[:64], faces=FACES, labels=labels)
    except QuantizationError as error:
        pytest.fail(f"random weights lose little here: {error}")
    assert logging.getLogger().filters == filters
    small = OnnxModel(path, threads=1)
    assert small.description.precision == "int8"
    assert small.classes == exported.classes
    answers = small.logits(FACES).argmax(axis=1)
    assert found.before == pytest.approx(1.0)
    assert found.after == pytest.approx(macro_f1(small, FACES, labels))
    assert np.mean(answers == labels) > 0.9
    graph = onnx.load(str(path)).graph
    kinds = {one.name: one.data_type for one in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    feeding = {out: node for node in graph.node for out in node.output}
    for node in convolutions:
        assert kinds[feeding[node.input[1]].input[0]] == onnx.TensorProto.INT8
    assert convolutions
    # The last layer stays in float32, with what it reads.
    last = feeding["logits"]
    assert last.op_type in {"Gemm", "MatMul", "Add"}
    assert not {"QuantizeLinear"} & {node.op_type for node in graph.node if "logits" in node.input}


def test_a_cnn_reads_its_faces_as_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What answers at random may lose more than a network that has learnt.
    monkeypatch.setattr("fer.inference.quantize.ALLOWED_FALL", 100.0)
    module = small_module(
        "model=cnn", "backbone=resnet", "model.backbone.widths=[8,8]",
        "model.backbone.blocks=[0,1]", "model.head.hidden=[]", small=False,
    )  # fmt: skip
    options = dict(module.hparams)
    stored = tmp_path / "cnn.ckpt"
    torch.save({"state_dict": module.state_dict(), "hyper_parameters": options}, stored)
    export(load_checkpoint(stored), tmp_path / "cnn.onnx")
    labels = OnnxModel(tmp_path / "cnn.onnx", threads=1).logits(FACES).argmax(axis=1)
    path = tmp_path / "int8.onnx"
    quantize(tmp_path / "cnn.onnx", path, calibration=FACES[:64], faces=FACES, labels=labels)
    kinds = [node.op_type for node in onnx.load(str(path)).graph.node]
    assert not {"Cast", "Mul"} & {*kinds}
    # Squares become channels by rows.
    moves = [kind for kind in kinds if kind in {"Unsqueeze", "Reshape", "Transpose"}]
    assert moves[:4] == ["Reshape", "Transpose", "Reshape", "Transpose"]


def test_macro_f1_is_scikit_learns(exported: OnnxModel) -> None:
    labels = np.random.default_rng(0).integers(0, len(exported.classes), 96)
    wanted = f1_score(labels, exported.logits(FACES).argmax(axis=1), average="macro")
    assert macro_f1(exported, FACES, labels) == pytest.approx(wanted)


def test_too_great_a_loss_is_refused(
    tmp_path: Path, small_onnx: Path, exported: OnnxModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = exported.logits(FACES).argmax(axis=1).astype(np.int64)
    monkeypatch.setattr("fer.inference.quantize.ALLOWED_FALL", -1.0)
    with raises("int8_loses_too_much", where="int8.onnx"):
        quantize(small_onnx, tmp_path / "int8.onnx", calibration=FACES, faces=FACES, labels=labels)
    assert list(tmp_path.iterdir()) == []
