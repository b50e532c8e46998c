"""Model files: those that are none get one clear message."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fer.inference import Description, ModelFileError, OnnxModel
from fer.inference.description import KEY
from fer.inference.onnx_file import as_file
from fer.inference.onnx_session import runtime_errors
from tests.support.errors import raises
from tests.support.models import resealed

GOOD = Description(("a", "b"), 4).as_json()


def other_task(path: Path, description: str | None) -> None:
    """Write an ONNX file that adds."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "add", [value], [out])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    if description == GOOD:
        path.write_bytes(as_file(model, Description.from_json(GOOD, path)))
        return
    if description is not None:
        entry = model.metadata_props.add()
        entry.key, entry.value = KEY, description
    onnx.save(model, str(path))


def changed(**values: object) -> str:
    return json.dumps({**json.loads(GOOD), **values})


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "random bytes": (lambda p: p.write_bytes(os.urandom(5000)), "not_onnx"),
    "empty": (lambda p: p.write_bytes(b""), "not_onnx"),
    "text": (lambda p: p.write_text("hello"), "not_onnx"),
    "missing": (lambda p: None, "no_such_file"),
    "another task": (lambda p: other_task(p, None), "not_of_fer"),
    "another graph": (lambda p: other_task(p, GOOD), "model_graph"),
    "no JSON": (lambda p: other_task(p, "{"), "model_description"),
    "a later format": (lambda p: other_task(p, changed(format=99)), "later_format"),
    "no checksum": (lambda p: other_task(p, changed(sha256=None)), "no_checksum"),
    "another checksum": (lambda p: other_task(p, changed(sha256="1" * 64)), "model_damaged"),
    "huge": (lambda p: other_task(p, changed(size=60_000)), "model_description"),
    "a class twice": (lambda p: other_task(p, changed(classes=["a", "a"])), "model_description"),
    "no classes": (lambda p: other_task(p, changed(classes=None)), "model_description"),
    "one class": (lambda p: other_task(p, changed(classes=["a"])), "model_description"),
    "no size": (lambda p: other_task(p, changed(size=0)), "model_description"),
    "no temperature": (lambda p: other_task(p, changed(temperature=0)), "model_description"),
    "a list": (lambda p: other_task(p, "[]"), "model_description"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_model(tmp_path: Path, name: str) -> None:
    make, code = BROKEN[name]
    path = tmp_path / "model.onnx"
    make(path)
    with raises(code, where="model.onnx", kind=ModelFileError):
        OnnxModel(path)


def test_description_is_read_as_written() -> None:
    columns = {"age": {"mean": 3.0, "std": 1.0}}
    known = Description(("a", "b"), 4, "stretch", 1.3, columns, 8, recipe={"seed": 0})
    assert Description.from_json(known.as_json(), "here") == known


@pytest.mark.parametrize("change", [
    {"classes": ["\ud800", "b"]}, {"classes": ["\x1b[31ma", "b"]}, {"temperature": 10**400},
    {"columns": {"age": {"mean": 10**400, "std": 1}}},
])  # fmt: skip
def test_what_no_file_and_no_terminal_takes_is_no_description(change: dict[str, object]) -> None:
    text = json.dumps({**json.loads(GOOD), **change})
    with raises("model_description"):
        Description.from_json(text, "here")


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_must_be_some(small_onnx: Path, threads: int) -> None:
    with pytest.raises(ValueError, match="threads"):
        OnnxModel(small_onnx, threads=threads)


def test_answers_of_one_and_two_threads(small_onnx: Path) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (9, 48, 48), dtype=np.uint8)
    one, two = (OnnxModel(small_onnx, threads=n).logits(faces) for n in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_damage_is_told(tmp_path: Path, small_onnx: Path) -> None:
    """One flipped bit anywhere, or a file cut off anywhere, is an error of ours before any use."""
    rng, content = random.Random(0), small_onnx.read_bytes()
    # Most of a file is weights, most of what can go wrong is not.
    places = [rng.randrange(start, len(content)) for start in (0, len(content) - 3000)
              for _ in range(150)]  # fmt: skip
    path = tmp_path / "model.onnx"
    for number, place in enumerate(places):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped if number % 4 else content[:place])
        with pytest.raises(ModelFileError):
            OnnxModel(path)


@pytest.mark.parametrize("values", [
    {"classes": ("a", "b")}, {"classes": tuple("abcdefgh")}, {"size": 96},
    {"columns": {"age": {"mean": 1.0, "std": 1.0}}},
])  # fmt: skip
def test_graph_and_description_must_agree(
    tmp_path: Path, small_onnx: Path, values: dict[str, Any]
) -> None:
    told = dataclasses.replace(OnnxModel(small_onnx).description, **values)
    path = tmp_path / "model.onnx"
    path.write_bytes(as_file(onnx.load(str(small_onnx)), told))
    with raises("model_graph", where="model.onnx"):
        OnnxModel(path)


def loop(graph: onnx.GraphProto) -> None:
    """Go round 2**62 times."""
    of = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node(*one) for one in
         (("Identity", ["c"], ["d"]), ("Identity", ["v"], ["w"]))],
        "body",
        [of("i", TensorProto.INT64, []), of("c", TensorProto.BOOL, []), of("v", 1, None)],
        [of("d", TensorProto.BOOL, []), of("w", 1, None)],
    )  # fmt: skip
    graph.initializer.append(numpy_helper.from_array(np.array(2**62), "times"))
    graph.initializer.append(numpy_helper.from_array(np.array(True), "on"))
    graph.node.append(helper.make_node("Loop", ["times", "on", "kept"], ["logits"], body=body))


def enlarged(graph: onnx.GraphProto) -> None:
    """Make ten gigabytes of a few numbers."""
    graph.initializer.append(numpy_helper.from_array(np.array([50_000, 50_000]), "shape"))
    graph.node.append(helper.make_node("ReduceMax", ["kept"], ["most"], keepdims=0))
    graph.node.append(helper.make_node("Expand", ["most", "shape"], ["big"]))
    graph.node.append(helper.make_node("ReduceMax", ["big"], ["top"], keepdims=0))
    graph.node.append(helper.make_node("Add", ["kept", "top"], ["logits"]))


def undersupplied(graph: onnx.GraphProto) -> None:
    """Say weights of forty gigabytes, and bring none."""
    graph.initializer.append(TensorProto(name="w", data_type=1, dims=[100_000, 100_000]))
    graph.node.append(helper.make_node("Add", ["kept", "w"], ["logits"]))


def elsewhere(graph: onnx.GraphProto) -> None:
    """Read another file as weights."""
    weights = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="secret")
    graph.initializer.append(weights)
    graph.node.append(helper.make_node("Add", ["kept", "w"], ["logits"]))


@pytest.mark.parametrize(
    ("change", "code"),
    [(loop, "model_unsafe"), (enlarged, "cant_answer"), (undersupplied, "model_unsafe"),
     (elsewhere, "model_unsafe")],
)  # fmt: skip
def test_a_small_file_takes_little_of_a_machine(
    tmp_path: Path, small_onnx: Path, change: Callable[[onnx.GraphProto], None], code: str
) -> None:
    """A checksum that holds is no proof that an author means well."""
    model = onnx.load(str(small_onnx))
    for node in model.graph.node:
        node.output[:] = ["kept" if name == "logits" else name for name in node.output]
        node.input[:] = ["kept" if name == "logits" else name for name in node.input]
    change(model.graph)
    path = tmp_path / "model.onnx"
    path.write_bytes(resealed(model))
    with raises(code, where="model.onnx"):
        OnnxModel(path)


def test_what_is_too_much_for_a_batch_is_answered_in_parts(
    small_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (9, 48, 48), dtype=np.uint8)
    model = OnnxModel(small_onnx)
    whole, run, asked = model.answer(faces), OnnxModel._run, list[int]()

    def small(self: OnnxModel, images: Any, *rest: Any) -> Any:
        asked.append(len(images))
        if len(images) > 3:
            raise runtime_errors()[0]("Available memory of 1 is smaller than requested bytes of 2")
        return run(self, images, *rest)

    monkeypatch.setattr(OnnxModel, "_run", small)
    for found, wanted in zip(model.answer(faces), whole, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert max(asked) == 9
    assert sum(n for n in asked if n <= 3) == 9
