"""Weights in half precision: half the bytes, computed with in float32 as ever."""

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

#: By what share of itself rounding to half precision changes a number at most: it has eleven bits.
_STEP: Final = 2.0**-11


def to_fp16(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with the large ones of them rounded to float16.

    Matrices and kernels are. Vectors and single numbers stay as they are: biases, scales, the
    statistics of batch normalisation and preprocessing are few, and sums depend on them. So does a
    tensor that is out of half precision's range, above or below: where rounding would change it by
    more than half precision's own step.

    Args:
        weights: as ``state_dict`` gives them.

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
    # What is no number is not rounded either: every comparison with it is false.
    return half if changed <= _STEP * exact.abs().max() else tensor


def with_fp16_weights(model: CheckpointModel) -> CheckpointModel:
    """Return a model with the weights that half precision keeps of its own, see :func:`to_fp16`."""
    network = deepcopy(model.network)
    network.load_state_dict(to_fp16(network.state_dict()))
    return dataclasses.replace(model, network=network)


def store_fp16(model: onnx.ModelProto) -> None:
    """Store a graph's weights as float16 where that changes nothing, and cast them where used.

    ONNX Runtime casts them once, when the model is loaded, and computes in float32 from there on.

    Args:
        model: of which matrices and kernels are numbers of half precision; changed in place.
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
