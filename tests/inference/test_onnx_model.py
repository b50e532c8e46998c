"""Model files: those that are none get one clear message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fer.errors import UserError
from fer.inference import Description, ModelFileError, OnnxModel
from fer.inference.description import KEY
from fer.inference.onnx_model import usable_threads

GOOD = Description(("a", "b"), 4).as_json()


def other_task(path: Path, description: str | None) -> None:
    """Write an ONNX file that adds."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "add", [value], [out])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    if description is not None:
        entry = model.metadata_props.add()
        entry.key, entry.value = KEY, description
    onnx.save(model, str(path))


def changed(**values: object) -> str:
    return json.dumps({**json.loads(GOOD), **values})


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "random bytes": (lambda p: p.write_bytes(os.urandom(5000)), "no ONNX model"),
    "empty": (lambda p: p.write_bytes(b""), "no ONNX model"),
    "text": (lambda p: p.write_text("hello"), "no ONNX model"),
    "missing": (lambda p: None, "there is no model file"),
    "another task": (lambda p: other_task(p, None), "none of fer's"),
    "another graph": (lambda p: other_task(p, GOOD), "its graph goes from x to y"),
    "no JSON": (lambda p: other_task(p, "{"), "no JSON"),
    "a later format": (lambda p: other_task(p, changed(format=99)), "later version"),
    "no classes": (lambda p: other_task(p, changed(classes=None)), "classes and size"),
    "one class": (lambda p: other_task(p, changed(classes=["a"])), "classes and size"),
    "no size": (lambda p: other_task(p, changed(size=0)), "classes and size"),
    "no temperature": (lambda p: other_task(p, changed(temperature=0)), "classes and size"),
    "a list": (lambda p: other_task(p, "[]"), "none of this package's"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_model(tmp_path: Path, name: str) -> None:
    make, says = BROKEN[name]
    path = tmp_path / "model.onnx"
    make(path)
    with pytest.raises(ModelFileError, match=says) as caught:
        OnnxModel(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UserError)


def test_a_file_cut_off(tmp_path: Path, small_onnx: Path) -> None:
    path = tmp_path / "model.onnx"
    content = small_onnx.read_bytes()
    for share in (0.1, 0.5, 0.99):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ModelFileError):
            OnnxModel(path)


def test_description_is_read_as_written() -> None:
    columns = {"age": {"mean": 3.0, "std": 1.0}}
    known = Description(("a", "b"), 4, "stretch", 1.3, columns, 8, recipe={"seed": 0})
    assert Description.from_json(known.as_json(), "here") == known


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_must_be_some(small_onnx: Path, threads: int) -> None:
    with pytest.raises(ValueError, match="threads"):
        OnnxModel(small_onnx, threads=threads)


def test_usable_threads() -> None:
    assert 1 <= usable_threads() <= (os.cpu_count() or 1)


def test_use_needs_nothing_of_training(small_onnx: Path) -> None:
    program = (
        "import sys, numpy, fer\n"
        f"model = fer.load({str(small_onnx)!r})\n"
        "found = model.classify(numpy.zeros((2, 60, 50, 3), numpy.uint8), tta=True)\n"
        "assert len(found) == 2\n"
        "heavy = 'torch lightning hydra omegaconf wandb albumentations timm onnx sklearn'.split()\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_answers_of_one_and_two_threads(small_onnx: Path) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (9, 48, 48), dtype=np.uint8)
    one, two = (OnnxModel(small_onnx, threads=n).logits(faces) for n in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-5)
