"""Graphs in eight bits that read their faces as bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from fer.inference.folding import fold_by_rows, take_bytes

FACES = np.random.default_rng(0).integers(0, 256, (3, 4, 4), dtype=np.uint8)
#: What calibration finds for faces from 0 to 1.
SCALE = np.float32(1 / 255)


def graph(*, times: float = 1 / 255, second_reader: bool = False) -> onnx.ModelProto:
    """Return faces times a number, folded, rounded to bytes and made numbers again."""
    constants = {
        "axis": np.array([1], dtype=np.int64),
        "times": np.float32(times),
        "shape": np.array([-1, 16], dtype=np.int64),
        "scale": SCALE,
        "zero": np.uint8(0),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["faces", "axis"], ["images"]),
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "times"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "shape"], ["moved"]),
        helper.make_node("QuantizeLinear", ["moved", "scale", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], ["read"]),
    ]
    if second_reader:
        nodes.append(helper.make_node("Neg", ["scaled"], ["other"]))
    outputs = [helper.make_tensor_value_info("read", TensorProto.FLOAT, ["n", 16])]
    if second_reader:
        outputs.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, None))
    made = helper.make_graph(
        nodes,
        "faces",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", 4, 4])],
        outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        value_info=[helper.make_tensor_value_info("moved", TensorProto.FLOAT, ["n", 16])],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def answers(model: onnx.ModelProto) -> np.ndarray:  # type: ignore[type-arg]
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(["read"], {"faces": FACES})[0]  # type: ignore[type-arg]
    return found


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_bytes_are_read_as_they_are() -> None:
    model = graph()
    before = answers(model)
    take_bytes(model)
    assert kinds(model) == ["Unsqueeze", "Reshape", "DequantizeLinear"]
    np.testing.assert_allclose(answers(model), before, atol=1e-6)
    np.testing.assert_allclose(answers(model), FACES.reshape(3, 16) / 255, atol=1e-6)
    # What nobody reads any more is gone.
    names = {one.name for one in model.graph.initializer}
    assert names == {"axis", "shape", "faces_scale", "faces_zero"}


def test_the_number_that_they_are_multiplied_by_is_kept() -> None:
    model = graph(times=0.5 / 255)
    take_bytes(model)
    np.testing.assert_allclose(answers(model), FACES.reshape(3, 16) / 510, atol=1e-6)


@pytest.mark.parametrize("change", ["second reader", "another beginning", "several numbers"])
def test_what_is_done_otherwise_stays(change: str) -> None:
    model = graph(second_reader=change == "second reader")
    if change == "another beginning":
        model.graph.node[0].input[0] = "pictures"
        model.graph.input[0].name = "pictures"
    if change == "several numbers":
        place = next(i for i, one in enumerate(model.graph.initializer) if one.name == "times")
        several = numpy_helper.from_array(np.ones(4, dtype=np.float32), "times")
        model.graph.initializer[place].CopyFrom(several)
    before = kinds(model)
    take_bytes(model)
    assert kinds(model) == before


def folding(
    order: Sequence[int] = (0, 1, 3, 5, 2, 4), *, second_reader: bool = False
) -> onnx.ModelProto:
    """Return faces whose squares of 2 by 2 pixels become channels, as PyTorch exports it."""
    constants = {
        "axis": np.array([1], dtype=np.int64),
        "apart": np.array([-1, 1, 2, 2, 2, 2], dtype=np.int64),
        "together": np.array([-1, 4, 2, 2], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["faces", "axis"], ["images"]),
        helper.make_node("Reshape", ["images", "apart"], ["squares"]),
        helper.make_node("Transpose", ["squares"], ["moved"], perm=order),
        helper.make_node("Reshape", ["moved", "together"], ["folded"]),
        helper.make_node("Identity", ["folded"], ["read"]),
    ]
    outputs = [helper.make_tensor_value_info("read", TensorProto.UINT8, ["n", 4, 2, 2])]
    if second_reader:
        nodes.append(helper.make_node("Identity", ["squares"], ["other"]))
        outputs.append(helper.make_tensor_value_info("other", TensorProto.UINT8, None))
    made = helper.make_graph(
        nodes,
        "faces",
        [helper.make_tensor_value_info("faces", TensorProto.UINT8, ["n", 4, 4])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
        value_info=[helper.make_tensor_value_info("squares", TensorProto.UINT8, None)],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_squares_are_folded_by_rows() -> None:
    model = folding()
    before = answers(model)
    fold_by_rows(model)
    assert kinds(model) == ["Reshape", "Transpose", "Reshape", "Transpose", "Identity"]
    np.testing.assert_array_equal(answers(model), before)
    # Top left, top right, bottom left, bottom right of each square.
    np.testing.assert_array_equal(before[:, 1], FACES[:, ::2, 1::2])
    names = {one.name for one in model.graph.initializer}
    assert names == {"faces_rows", "faces_squares"}
    assert not model.graph.value_info


@pytest.mark.parametrize("change", ["another order", "second reader", "no folding"])
def test_another_folding_stays_as_it_is(change: str) -> None:
    model = {
        "another order": lambda: folding((0, 1, 5, 3, 2, 4)),
        "second reader": lambda: folding(second_reader=True),
        "no folding": graph,
    }[change]()
    before = kinds(model)
    fold_by_rows(model)
    assert kinds(model) == before
