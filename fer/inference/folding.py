"""Graphs that do less for the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from fer.inference.onnx_model import FACES

if TYPE_CHECKING:
    import onnx

#: What moves numbers and does not change them.
_MOVES: Final = ("Reshape", "Transpose")


def take_bytes(model: onnx.ModelProto) -> None:
    """Have a graph in eight bits read its faces as they are.

    They are bytes times a constant, which is what eight-bit numbers stand for. Where they are made
    numbers, multiplied, moved and rounded to bytes again, only the moving is left. A graph that
    does anything else with them stays as it is.

    Args:
        model: with ``QuantizeLinear`` and ``DequantizeLinear``; changed in place.
    """
    from onnx import numpy_helper

    graph = model.graph
    made = {name: node for node in graph.node for name in node.output}
    constants = {one.name: one for one in graph.initializer}
    for rounding in [node for node in graph.node if node.op_type == "QuantizeLinear"]:
        way = [rounding]
        while (last := made.get(way[-1].input[0])) is not None and last.op_type in _MOVES:
            way.append(last)
        if last is None or last.op_type != "Mul":
            continue
        cast = next((made[name] for name in last.input if name in made), None)
        factor = next((constants[name] for name in last.input if name in constants), None)
        if cast is None or cast.op_type != "Cast" or factor is None:
            continue
        source, scale = made.get(cast.input[0]), numpy_helper.to_array(factor)
        if source is None or source.op_type != "Unsqueeze" or source.input[0] != FACES:
            continue
        inner = {name for node in (*way[1:], last, cast) for name in node.output}
        readers = [node for node in graph.node if rounding.output[0] in node.input]
        if scale.size != 1 or any(node.op_type != "DequantizeLinear" for node in readers):
            continue
        # Nobody else reads what is on the way.
        if sum(name in inner for node in graph.node for name in node.input) != len(inner):
            continue
        way[-1].input[0] = cast.input[0]
        ends = rounding.input[0] if len(way) > 1 else cast.input[0]
        names = f"{FACES}_scale", f"{FACES}_zero"
        graph.initializer.append(
            numpy_helper.from_array(scale.astype(np.float32).reshape(()), names[0])
        )
        graph.initializer.append(numpy_helper.from_array(np.zeros((), dtype=np.uint8), names[1]))
        for reader in readers:
            reader.input[0], reader.input[1], reader.input[2] = ends, *names
        for node in (rounding, last, cast):
            graph.node.remove(node)
        # They are other types now, and found anew by whoever loads the file.
        for note in [one for one in graph.value_info if one.name in inner]:
            graph.value_info.remove(note)
    read = {name for node in graph.node for name in node.input}
    for one in [one for one in graph.initializer if one.name not in read]:
        graph.initializer.remove(one)
