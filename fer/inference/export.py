"""From a checkpoint to one ONNX file that holds everything from grey values to probabilities."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fer.checkpoints import read_stored
from fer.core.errors import UserError
from fer.core.io import atomic_write
from fer.inference.checkpoint import MAKING, PREFIX, TEMPERATURE, CheckpointModel, load_checkpoint
from fer.inference.description import Description
from fer.inference.half import store_fp16, to_fp16, with_fp16_weights
from fer.inference.onnx_file import as_file
from fer.inference.onnx_model import (
    FACES,
    LENGTHS,
    LOGITS,
    METADATA,
    PROBABILITIES,
    OnnxModel,
)
from fer.inference.parity import Parity, compare

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn

#: Largest difference between torch's and ONNX Runtime's numbers that is let pass.
TOLERANCE: Final = 1e-4
_OPSET: Final = 18
#: Frames of the clips that a graph is made by.
_EXAMPLE: Final = 11


class ExportError(UserError):
    """A model can't be exported, or what was exported answers otherwise; the message says why."""


def export(
    model: CheckpointModel, path: Path, *, recipe: dict[str, Any] | None = None, half: bool = False
) -> Parity:
    """Write a network as an ONNX file and compare its answers with the network's.

    The graph goes from ``faces``, uint8 ``[N, size, size]`` with any N (and ``metadata``, float32
    ``[N, columns]`` with NaN for what is unknown, where the network reads it), to
    ``probabilities``, float32 ``[N, C]``, softmax of the logits divided by the temperature, and
    ``logits``, float32 ``[N, C]``. That of a clip model takes ``faces`` as uint8
    ``[N, T, size, size]`` with any T, and ``lengths``, int64 ``[N]``: how many frames of each are
    real, at least 1; what lies behind them changes nothing. The file takes the place of an older
    one when all is well.

    Args:
        model: what is exported.
        path: of the file to write.
        recipe: what the file says of its making, see :class:`Description`.
        half: store the weights rounded to half precision, see :func:`fer.inference.half.to_fp16`.
            The file is compared with the network of these very weights; what the rounding itself
            changes, comparing the two networks shows.

    Raises:
        ExportError: the network learnt from test faces, can't be exported, or the file's answers
            differ by more than :data:`TOLERANCE`.
        OSError: the file can't be written.
    """
    _refuse_invalid(model)
    model = with_fp16_weights(model) if half else model
    description = Description(
        classes=model.classes,
        size=model.size,
        fit=model.fit,
        temperature=1.0 if model.temperature is None else model.temperature,
        columns=model.columns,
        frames=model.frames,
        storage="float16" if half else "float32",
        not_comparable=model.not_comparable,
        recipe=recipe or {},
    )
    with atomic_write(path) as beside:
        _write(_graph(model, description), description, beside)
        try:
            parity = compare(model, OnnxModel(beside, threads=1))
        except UserError as error:
            why = str(error).strip().splitlines()[0]
            raise ExportError(
                f"the exported model can't be run, so nothing was written: {why}",
                code="export_not_runnable",
                where=str(path),
            ) from error
        worst = max(parity.probabilities, parity.logits)
        if not worst <= TOLERANCE:
            raise ExportError(
                f"the exported model's answers differ from the network's by up to {worst:.1e}, "
                f"more than {TOLERANCE:.0e}; nothing was written",
                code="export_differs",
                where=str(path),
            )
    return parity


def export_checkpoint(path: Path, to: Path, *, allow: Iterable[str] = ()) -> Parity:
    """Write a checkpoint of the network alone, without what only resuming its training needs.

    It is read wherever a checkpoint is, with ``weights_only=True``, and has a quarter of the bytes
    or less: no optimiser, and matrices and kernels as float16 (:func:`fer.inference.half.to_fp16`).
    Of a training that averaged its weights, these are the averages.

    Args:
        path: a checkpoint of ``python -m fer.train``, or one of these.
        to: the file to write; it takes the place of an older one when all is well.
        allow: see :func:`~fer.inference.checkpoint.load_checkpoint`.

    Returns:
        How far its answers are from those of the checkpoint.

    Raises:
        CheckpointError: there is no such checkpoint.
        ExportError: the network learnt from test faces, or answers with what are no numbers.
        OSError: the file can't be written.
    """
    import torch

    allow = tuple(allow)
    model = load_checkpoint(path, allow=allow)
    _refuse_invalid(model)
    stored = read_stored(path)
    weights = {n: w for n, w in stored["state_dict"].items() if n.startswith(PREFIX)}
    kept: dict[str, Any] = {name: stored[name] for name in ("hyper_parameters", TEMPERATURE, MAKING)
            if name in stored}  # fmt: skip
    # By way of memory: torch's own writer reports a full disk as a RuntimeError, and the name that
    # it gives to what is within is that of the file.
    content = io.BytesIO()
    torch.save(kept | {"state_dict": to_fp16(weights)}, content)
    with atomic_write(to) as beside:
        beside.write_bytes(content.getbuffer())
        parity = compare(model, load_checkpoint(beside, allow=allow))
        # NaN is not below anything.
        if not parity.logits < float("inf"):
            raise ExportError(
                f"{path} answers with NaN; nothing was written", code="export_nan", where=str(path)
            )
    return parity


def _refuse_invalid(model: CheckpointModel) -> None:
    """Raise an error for a network that learnt from test faces."""
    if model.invalid:
        raise ExportError(
            f"this network is INVALID ({model.invalid}): what it scores is no score, so it can't "
            "be exported. Train with data.protocol=official",
            code="invalid_network",
        )


def _graph(model: CheckpointModel, description: Description) -> onnx.ModelProto:
    """Return the network as an ONNX graph."""
    import torch

    half = description.storage == "float16"
    # No number that anything else of the graph has.
    steps = () if description.frames is None else (_EXAMPLE,)
    shape = (2, *steps, model.size, model.size)
    inputs: list[torch.Tensor] = [torch.zeros(shape, dtype=torch.uint8)]
    names = [FACES]
    # One name for the size of all inputs' batches, which are the same.
    batch = torch.export.Dim("batch")
    shapes: list[dict[int, Any]] = [{0: batch}]
    if description.frames is not None:
        shapes[0][1] = torch.export.Dim("frames")
        inputs.append(torch.tensor([_EXAMPLE, _EXAMPLE - 1]))
        names.append(LENGTHS)
        shapes.append({0: batch})
    if description.columns is not None:
        inputs.append(torch.full((2, len(description.columns)), torch.nan))
        names.append(METADATA)
        shapes.append({0: batch})
    whole = _whole(model.network, description.temperature).eval()
    with _quiet(), _fresh_lstm():
        try:
            program = torch.onnx.export(
                whole,
                tuple(inputs),
                input_names=names,
                output_names=[PROBABILITIES, LOGITS],
                dynamic_shapes=tuple(shapes),
                opset_version=_OPSET,
                optimize=not half,
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            why = str(error).strip().splitlines()[0]
            raise ExportError(
                f"this network can't be exported to ONNX: {why}", code="export_failed"
            ) from error
    if program is None:
        raise ExportError(
            "this network can't be exported to ONNX: torch gave no graph", code="export_failed"
        )
    if not half:
        return program.model_proto
    from onnxscript import optimizer

    # All that its optimiser does but for folding batch normalisation into weights, which would be
    # other numbers then, and none of half precision. ONNX Runtime does that when it loads the file.
    optimizer.fold_constants(program.model)
    optimizer.remove_unused_nodes(program.model)
    graph = program.model_proto
    store_fp16(graph)
    return graph


def _whole(network: nn.Module, temperature: float) -> nn.Module:
    """Return everything from grey values to probabilities as one module."""
    import torch
    from torch import Tensor, nn

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, faces: Tensor, beside: Tensor | None = None) -> tuple[Tensor, Tensor]:
            images = faces.unsqueeze(1)
            logits: Tensor
            logits = self.network(images) if beside is None else self.network(images, beside)
            return torch.softmax(logits / temperature, dim=1), logits

    return Whole()


def _write(graph: onnx.ModelProto, description: Description, path: Path) -> None:
    import onnx

    # Where each node came from: source lines of the machine that exported.
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    if description.frames is not None:
        # ONNX Runtime finds the sizes of what is within by itself; those noted here may be the
        # example's.
        del graph.graph.value_info[:]
    onnx.checker.check_model(graph)
    path.write_bytes(as_file(graph, description))


@contextlib.contextmanager
def _fresh_lstm() -> Iterator[None]:
    """Have torch look up anew how an LSTM is taken apart, before an export and after it.

    For an export it puts a loop over the steps in the table of an LSTM's kernels, but leaves what
    was looked up there before (``torch/export/_patches.py`` of torch 2.14). Every export looks the
    usual form up at its end, so the next one of the same process found that, one copy of a cell for
    each step of the example, and took the example's number of steps for the only one.
    """
    import torch

    looked_up = getattr(torch.ops.aten.lstm.input, "_dispatch_cache", {})
    looked_up.clear()
    try:
        yield
    finally:
        looked_up.clear()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about its own progress to itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
