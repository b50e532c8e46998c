"""A model with YuNet's inputs and outputs that takes bright cells for faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_STRIDES = (8, 16, 32)


def write_fake_yunet(path: Path) -> Path:
    """Write a model that scores each cell of 32 pixels by its redness, and smaller ones by 0.

    Boxes are the cells themselves. Red alone is looked at, so that red and blue can't be mixed up.
    """
    nodes, outputs, constants = [], [], []

    def constant(name: str, value: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    for stride in _STRIDES:
        kernel = [stride, stride]
        pooled = f"pooled_{stride}"
        cells = {"kernel_shape": kernel, "strides": kernel}
        nodes.append(helper.make_node("AveragePool", ["input"], [pooled], **cells))
        for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            weights = np.zeros((width, 3, 1, 1), dtype=np.float32)
            if width == 1 and stride == 32:
                weights[:, 2] = 1 / 255  # the order is blue, green, red
            name = f"{kind}_{stride}"
            conv, turned = f"{name}_conv", f"{name}_turned"
            inputs = [pooled, constant(f"{name}_w", weights)]
            nodes += [
                helper.make_node("Conv", inputs, [conv]),
                helper.make_node("Transpose", [conv], [turned], perm=[0, 2, 3, 1]),
                helper.make_node(
                    "Reshape",
                    [turned, constant(f"{name}_shape", np.array([1, -1, width], dtype=np.int64))],
                    [name],
                ),
            ]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, width]))
    order = {"cls": 0, "obj": 1, "bbox": 2, "kps": 3}
    outputs.sort(key=lambda one: order[one.name.split("_")[0]])
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])
    graph = helper.make_graph(nodes, "fake", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
