"""Sealed files of anybody: bounded time and memory before the process itself loads them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from fer.inference import ModelFileError, onnx_check
from fer.inference.loading import load_model
from tests.support.errors import raises
from tests.support.models import resealed


def constant(graph: onnx.GraphProto, side: int) -> None:
    """Append a constant of side x side ones, which takes a few bytes of the file."""
    shape = numpy_helper.from_array(np.array([side, side]), "shape")
    one = numpy_helper.from_array(np.ones(1, np.float32))
    graph.initializer.append(shape)
    graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["c0"], value=one))


def add_to_logits(graph: onnx.GraphProto, name: str) -> None:
    graph.node.append(helper.make_node("ReduceMax", [name], ["top"], keepdims=0))
    graph.node.append(helper.make_node("Add", ["kept", "top"], ["logits"]))


def folded(graph: onnx.GraphProto) -> None:
    """Fold 200 products of 6000 x 6000 constants: 86 Tera-operations while it is loaded."""
    constant(graph, 6000)
    for i in range(200):
        graph.node.append(helper.make_node("MatMul", [f"c{i}", "c0"], [f"c{i + 1}"]))
    add_to_logits(graph, "c200")


def one_node(graph: onnx.GraphProto) -> None:
    """Convolve with a filter of 1400 x 1400: one node, which nothing ends."""
    constant(graph, 1400)
    of = numpy_helper.from_array
    graph.initializer.append(of(np.array([1, 1, 1400, 1400]), "filter"))
    graph.initializer.append(of(np.array([1, 1, 8000, 8000]), "large"))
    graph.node.append(helper.make_node("Reshape", ["c0", "filter"], ["w"]))
    graph.node.append(helper.make_node("ReduceMax", ["kept"], ["most"], keepdims=0))
    graph.node.append(helper.make_node("Expand", ["most", "large"], ["x"]))
    graph.node.append(helper.make_node("Conv", ["x", "w"], ["out"]))
    add_to_logits(graph, "out")


def large(graph: onnx.GraphProto) -> None:
    """Fold constants into 90 gigabytes."""
    constant(graph, 150_000)
    add_to_logits(graph, "c0")


@pytest.mark.parametrize(
    ("change", "codes"),
    [(folded, {"model_too_slow"}), (one_node, {"model_too_slow", "model_refused"}),
     (large, {"model_refused", "model_crashed"})],
)  # fmt: skip
def test_a_sealed_file_takes_bounded_time_and_memory(
    tmp_path: Path,
    small_onnx: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[onnx.GraphProto], None],
    codes: set[str],
) -> None:
    monkeypatch.setattr(onnx_check, "DEADLINE", 4)
    model = onnx.load(str(small_onnx))
    for node in model.graph.node:
        node.output[:] = ["kept" if name == "logits" else name for name in node.output]
        node.input[:] = ["kept" if name == "logits" else name for name in node.input]
    change(model.graph)
    path = tmp_path / "model.onnx"
    path.write_bytes(resealed(model))
    start = time.monotonic()
    with pytest.raises(ModelFileError) as caught:
        load_model(path, threads=1)
    assert caught.value.code in codes, caught.value
    assert caught.value.where == str(path)
    assert time.monotonic() - start < 30


def test_what_the_child_refuses_is_said_once(tmp_path: Path, small_onnx: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(small_onnx.read_bytes()[:-9])
    with raises("model_refused", where=str(path), kind=ModelFileError):
        load_model(path, threads=1)


def test_an_own_export_loads_and_shipped_files_need_no_child(
    small_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(load_model(small_onnx, threads=1).classes) > 1
    monkeypatch.setattr(onnx_check.subprocess, "run", None)
    assert load_model("fast", threads=1).classes
