"""Weights stored in half precision and computed with in float32."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Final

import numpy as np

from fer.inference.checkpoint import CheckpointModel

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

#: Rounding to half precision (11 bits) changes a number by at most this share of itself.
_STEP: Final = 2.0**-11


def to_fp16(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a ``state_dict`` with matrices and kernels rounded to float16.

    Vectors and single numbers stay: biases, scales and statistics are few, and sums depend on them.
    So does a tensor outside the range of half precision.

    Example:
        >>> import torch
        >>> found = to_fp16({"kernel": torch.ones(2, 2), "huge": torch.full((2, 2), 1e6)})
        >>> {name: tensor.dtype for name, tensor in found.items()}
        {'kernel': torch.float16, 'huge': torch.float32}
    """
    return {name: _in_half(tensor) for name, tensor in weights.items()}


def _in_half(tensor: Tensor) -> Tensor:
    if tensor.ndim < 2 or not tensor.is_floating_point() or tensor.numel() == 0:
        return tensor
    half, exact = tensor.half(), tensor.float()
    changed = (half.float() - exact).abs().max()
    # NaN stays too: every comparison with it is false.
    return half if changed <= _STEP * exact.abs().max() else tensor


def with_fp16_weights(model: CheckpointModel) -> CheckpointModel:
    """Return a copy of a model with its weights rounded as by :func:`to_fp16`."""
    network = deepcopy(model.network)
    network.load_state_dict(to_fp16(network.state_dict()))
    return dataclasses.replace(model, network=network)


def store_fp16(model: onnx.ModelProto) -> None:
    """Store a graph's weights as float16 where that changes no value, in place.

    ONNX Runtime casts them once, when it loads the model, and computes in float32.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weights in model.graph.initializer:
        if weights.data_type != TensorProto.FLOAT or len(weights.dims) < 2:
            continue
        values, name = numpy_helper.to_array(weights), weights.name
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        weights.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    used = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *used])
