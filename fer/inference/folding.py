"""Graphs that do less for the same answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
        _forget(graph, inner)
    _drop_unread(graph)


def fold_by_rows(model: onnx.ModelProto) -> None:
    """Have squares of a grey face become channels by copying their rows, channels last.

    As PyTorch exports it, the folding takes the picture apart pixel by pixel. What computes in
    eight bits has its channels last anyway, and there the pixels of a square's row stay side by
    side. The answers are the same; other graphs stay as they are.

    Args:
        model: a graph that begins with ``Unsqueeze``, ``Reshape``, ``Transpose`` and ``Reshape``
            where a face is folded; changed in place.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {one.name: one for one in graph.initializer}
    way = _followed(graph, FACES, ("Unsqueeze", "Reshape", "Transpose", "Reshape"))
    if way is None:
        return
    apart, moved, together = way[1:]
    shapes = [
        numpy_helper.to_array(constants[node.input[1]]).tolist() if node.input[1] in constants
        else [] for node in (apart, together)
    ]  # fmt: skip
    order = next((list(one.ints) for one in moved.attribute if one.name == "perm"), None)
    if len(shapes[0]) != 6 or order != [0, 1, 3, 5, 2, 4]:
        return
    n, channels, rows, down, columns, across = shapes[0]
    if channels != 1 or shapes[1] != [n, down * across, rows, columns]:
        return
    for name, shape in (
        (f"{FACES}_rows", [n, rows, down, columns, across]),
        (f"{FACES}_squares", [n, rows, columns, down * across]),
    ):
        graph.initializer.append(numpy_helper.from_array(np.array(shape, dtype=np.int64), name))
    names = [f"{FACES}_{what}" for what in ("apart", "moved", "together")]
    new = [
        helper.make_node("Reshape", [FACES, f"{FACES}_rows"], names[:1], names[0]),
        helper.make_node("Transpose", names[:1], names[1:2], names[1], perm=[0, 1, 3, 2, 4]),
        helper.make_node("Reshape", [names[1], f"{FACES}_squares"], names[2:], names[2]),
        # Where channels are last, this one and its reverse cancel.
        helper.make_node("Transpose", names[2:], together.output, together.name, perm=[0, 3, 1, 2]),
    ]
    place = list(graph.node).index(way[0])
    _forget(graph, {name for node in way[:-1] for name in node.output})
    for node in way:
        graph.node.remove(node)
    for node in reversed(new):
        graph.node.insert(place, node)
    _drop_unread(graph)


def _followed(
    graph: onnx.GraphProto, start: str, kinds: Sequence[str]
) -> list[onnx.NodeProto] | None:
    """Return the nodes that one after the other read a value, and alone; None where others do."""
    way: list[onnx.NodeProto] = []
    outputs = {one.name for one in graph.output}
    for kind in kinds:
        readers = [node for node in graph.node if start in node.input]
        if len(readers) != 1 or readers[0].op_type != kind or readers[0].output[0] in outputs:
            return None
        way.append(readers[0])
        start = readers[0].output[0]
    return way


def _forget(graph: onnx.GraphProto, names: Collection[str]) -> None:
    """Take away what is noted of the types and shapes of values."""
    for note in [one for one in graph.value_info if one.name in names]:
        graph.value_info.remove(note)


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Take away constants that no node reads."""
    read = {name for node in graph.node for name in node.input}
    for one in [one for one in graph.initializer if one.name not in read]:
        graph.initializer.remove(one)
