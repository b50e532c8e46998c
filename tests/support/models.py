"""Untrained networks as an evaluation gets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import onnx
import torch
from torch import nn

from fer.inference import CheckpointModel, Description
from fer.inference.description import KEY
from fer.inference.onnx_file import as_file
from fer.models import build
from tests.support.learners import SMALL
from tests.support.parts import composed

#: What a network is told beside a face.
COLUMNS: Final = {"age": {"mean": 40.0, "std": 10.0}}


def untrained_model(
    *overrides: str,
    classes: Sequence[str] = ("cat", "dog", "eel"),
    size: int = 48,
    without: Sequence[str] = (),
    ages: bool = False,
) -> CheckpointModel:
    """Return a small network with random weights.

    Args:
        overrides: those of the command line.
        classes: the names.
        size: of the faces, in pixels.
        without: parts that are left out.
        ages: read a column of ages beside the faces.
    """
    spec = composed(*SMALL, *overrides)["model"] | dict.fromkeys(without)
    if ages:
        spec["metadata"] = {"_target_": "fer.models.metadata.MetadataBranch", "columns": COLUMNS}
    torch.manual_seed(0)
    network = build(spec, expects=nn.Module, classes=len(classes), size=size)
    network.eval().requires_grad_(requires_grad=False)
    return CheckpointModel(network, tuple(classes), size, columns=COLUMNS if ages else None)


def resealed(graph: onnx.ModelProto) -> bytes:
    """Return the file of an exported graph that was changed, with a checksum that holds."""
    (told,) = (entry.value for entry in graph.metadata_props if entry.key == KEY)
    return as_file(graph, Description.from_json(told, "here"))
