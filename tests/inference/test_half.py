"""Weights in half precision: which are, what it changes, and files that store them so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fer.inference import CheckpointModel, OnnxModel, load_checkpoint
from fer.inference.export import TOLERANCE, ExportError, export
from fer.inference.half import in_half, rounded
from fer.inference.parity import compare
from tests.inference.conftest import checkpoint

FACES = np.random.default_rng(1).integers(0, 256, (33, 48, 48), dtype=np.uint8)


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
def test_matrices_that_lose_no_more_than_a_step_are_rounded(
    tensor: torch.Tensor, dtype: torch.dtype
) -> None:
    found = in_half({"weight": tensor})["weight"]
    assert found.dtype == dtype
    assert found.shape == tensor.shape
    if dtype == torch.float16:
        changed = (found.float() - tensor.float()).abs().max()
        assert changed <= tensor.float().abs().max() * 2.0**-11


def test_rounding_twice_changes_no_more(small_network: CheckpointModel) -> None:
    before = {name: tensor.clone() for name, tensor in small_network.network.state_dict().items()}
    once = rounded(small_network)
    twice = rounded(once)
    for name, tensor in once.network.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, twice.network.state_dict()[name])
        assert torch.equal(small_network.network.state_dict()[name], before[name])
    changed = compare(small_network, once)
    assert 0 < changed.logits < 0.01
    assert changed.probabilities < 0.01


@pytest.mark.slow
def test_a_file_in_half_precision_answers_as_the_rounded_network(
    tmp_path: Path, small_network: CheckpointModel, exported: OnnxModel
) -> None:
    path = tmp_path / "half.onnx"
    parity = export(small_network, path, half=True)
    assert max(parity.logits, parity.probabilities) <= TOLERANCE
    model = OnnxModel(path, threads=1)
    assert (model.description.storage, model.description.precision) == ("float16", "float32")
    assert exported.description.storage == "float32"
    wanted = rounded(small_network).logits(FACES)
    np.testing.assert_allclose(model.logits(FACES), wanted, atol=TOLERANCE)

    graph = onnx.load(str(path)).graph
    assert {one.type.tensor_type.elem_type for one in graph.output} == {onnx.TensorProto.FLOAT}
    halves = {
        one.name: int(np.prod(one.dims))
        for one in graph.initializer
        if one.data_type == onnx.TensorProto.FLOAT16
    }
    # All kernels and matrices. Those of an LSTM lie in ONNX's order of gates; a layer with one
    # kernel size would be folded with its batch normalisation in float32.
    weights = small_network.network.state_dict()
    assert sum(halves.values()) == sum(one.numel() for one in weights.values() if one.ndim > 1)
    assert "network.backbone.stages.3.filters.0.weight.half" in halves
    cast = {node.input[0] for node in graph.node if node.op_type == "Cast"}
    assert set(halves) <= cast


@pytest.mark.slow
def test_what_answers_with_no_numbers_is_not_exported(tmp_path: Path) -> None:
    model = load_checkpoint(checkpoint(tmp_path / "best.ckpt"))
    next(iter(model.network.parameters())).fill_(torch.nan)
    for half in (False, True):
        with pytest.raises(ExportError, match="by up to nan"):
            export(model, tmp_path / "model.onnx", half=half)
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]
