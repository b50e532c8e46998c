"""Rewritten int8 graphs answer as before, and what is not recognised stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fer.inference.graph_passes import read_uint8_input, space_to_depth_by_rows

Faces = np.ndarray[Any, np.dtype[np.uint8]]


def faces(height: int = 4, width: int = 4) -> Faces:
    return np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)


def model_of(
    nodes: Sequence[onnx.NodeProto], constants: Mapping[str, Any], kind: int, *outputs: str
) -> onnx.ModelProto:
    """Return a model from ``faces``, uint8 ``[N, H, W]``, to the outputs."""
    graph = helper.make_graph(
        nodes,
        "faces",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", "h", "w"])],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        value_info=[helper.make_tensor_value_info("moved", kind, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def quantized(
    pixels: int = 16, *, times: Any = 1 / 255, second_reader: bool = False, start: str = "faces"
) -> onnx.ModelProto:
    """Multiply faces by a number, flatten them, round them to bytes and read these as numbers."""
    constants = {
        "axis": np.array([1]),
        "times": np.asarray(times, dtype=np.float32),
        "shape": np.array([-1, pixels]),
        "scale": np.float32(1 / 255),
        "zero": np.uint8(0),
    }
    nodes = [
        helper.make_node("Unsqueeze", [start, "axis"], ["images"]),
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "times"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "shape"], ["moved"]),
        helper.make_node("QuantizeLinear", ["moved", "scale", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["read"]),
    ]
    if second_reader:
        nodes.append(helper.make_node("Neg", ["scaled"], ["other"]))
    outputs = ("read", "other") if second_reader else ("read",)
    return model_of(nodes, constants, TensorProto.FLOAT, *outputs)


def folding(
    rows: int = 2, columns: int = 2, down: int = 2, across: int = 2, *,
    order: Sequence[int] = (0, 1, 3, 5, 2, 4), second_reader: bool = False,
) -> onnx.ModelProto:  # fmt: skip
    """Turn squares of a face into channels, as PyTorch exports it."""
    constants = {
        "axis": np.array([1]),
        "apart": np.array([-1, 1, rows, down, columns, across]),
        "together": np.array([-1, down * across, rows, columns]),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["faces", "axis"], ["images"]),
        helper.make_node("Reshape", ["images", "apart"], ["squares"]),
        helper.make_node("Transpose", ["squares"], ["moved"], perm=order),
        helper.make_node("Reshape", ["moved", "together"], ["channels"]),
        helper.make_node("Identity", ["channels"], ["read"]),
    ]
    if second_reader:
        nodes.append(helper.make_node("Identity", ["squares"], ["other"]))
    outputs = ("read", "other") if second_reader else ("read",)
    return model_of(nodes, constants, TensorProto.UINT8, *outputs)


def answers(model: onnx.ModelProto, images: Faces) -> Any:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["read"], {"faces": images})[0]


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def constants_of(model: onnx.ModelProto) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer}


@settings(max_examples=20)
@given(height=st.integers(1, 6), width=st.integers(1, 6), share=st.sampled_from([1.0, 0.5]))
def test_bytes_are_read_as_they_are(height: int, width: int, share: float) -> None:
    images = faces(height, width)
    model = quantized(height * width, times=share / 255)
    before = answers(model, images)
    read_uint8_input(model)
    assert kinds(model) == ["Unsqueeze", "Reshape", "DequantizeLinear"]
    found = answers(model, images)
    np.testing.assert_allclose(found, images.reshape(3, -1) * (share / 255), atol=1e-6)
    # Rounding to bytes a second time is what is saved.
    np.testing.assert_allclose(found, before, atol=1e-6 if share == 1 else 0.51 / 255)
    assert constants_of(model) == {"axis", "shape", "faces_scale", "faces_zero"}


@settings(max_examples=20)
@given(*[st.integers(1, 3)] * 4)
def test_squares_become_channels_by_rows(rows: int, columns: int, down: int, across: int) -> None:
    images = faces(rows * down, columns * across)
    model = folding(rows, columns, down, across)
    before = answers(model, images)
    space_to_depth_by_rows(model)
    assert kinds(model) == ["Reshape", "Transpose", "Reshape", "Transpose", "Identity"]
    np.testing.assert_array_equal(answers(model, images), before)
    np.testing.assert_array_equal(before[:, -1], images[:, down - 1 :: down, across - 1 :: across])
    assert constants_of(model) == {"faces_rows", "faces_squares"}
    assert not model.graph.value_info


@pytest.mark.parametrize(
    "model",
    [
        quantized(second_reader=True),
        quantized(times=np.ones(4)),
        quantized(start="pictures"),
        folding(order=(0, 1, 5, 3, 2, 4)),
        folding(second_reader=True),
    ],
    ids=["second reader", "several numbers", "another input", "another order", "read twice"],
)
def test_what_is_done_otherwise_stays(model: onnx.ModelProto) -> None:
    before = kinds(model)
    read_uint8_input(model)
    space_to_depth_by_rows(model)
    assert kinds(model) == before
