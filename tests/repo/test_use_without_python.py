"""What docs/use_without_python.md says, held to a model that was exported."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from fer.core.defaults import MIN_FACE
from fer.inference import OnnxModel, load_checkpoint
from fer.inference.export import export
from fer.pixels import square_grey
from tests.inference.conftest import COLUMNS, checkpoint
from tests.support.pattern_faces import CLASSES

PAGE = (Path(__file__).parents[2] / "docs" / "use_without_python.md").read_text(encoding="utf-8")
#: What ONNX and the page call a type.
KINDS = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


def example(name: str) -> str:
    """Return the code of a block that is marked with a name."""
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no example {name}"
    return found[1]


def told(way: str) -> dict[str, tuple[str, int]]:
    """Return names, types and numbers of dimensions of the inputs or outputs in the table."""
    rows = re.findall(rf"^\| {way} \| `(\w+)` \| (\w+) \| `\[(.*?)\]` \|", PAGE, re.MULTILINE)
    return {name: (kind, len(shape.split(","))) for name, kind, shape in rows}


@pytest.fixture(scope="module")
def with_metadata(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metadata")
    path = checkpoint(folder / "best.ckpt", columns=COLUMNS)
    export(load_checkpoint(path), folder / "model.onnx")
    return folder / "model.onnx"


def test_names_types_and_shapes(with_metadata: Path, small_onnx: Path) -> None:
    session = ort.InferenceSession(str(with_metadata), providers=["CPUExecutionProvider"])
    for way, ports in (("input", session.get_inputs()), ("output", session.get_outputs())):
        # Models of clips have an input more.
        faces = {name: kind for name, kind in told(way).items() if name != "lengths"}
        assert faces == {one.name: (KINDS[one.type], len(one.shape)) for one in ports}
        assert all(isinstance(one.shape[0], str) for one in ports), "any number of faces"
    plain = ort.InferenceSession(str(small_onnx), providers=["CPUExecutionProvider"])
    assert [one.name for one in plain.get_inputs()] == ["faces"], "no metadata, no such input"


def test_outputs_are_what_they_are_called(exported: OnnxModel) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    probabilities, logits = exported.answer(faces)
    shifted = np.exp(logits / exported.description.temperature)
    np.testing.assert_allclose(
        probabilities, shifted / shifted.sum(axis=1, keepdims=True), atol=1e-5
    )


def test_description(small_onnx: Path, with_metadata: Path, tmp_path: Path) -> None:
    shutil.copy(small_onnx, tmp_path / "model.onnx")
    command = [sys.executable, "-c", example("description")]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(list(CLASSES))
    stored = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    keys = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(keys) == 8
    assert set(keys) <= set(stored)
    assert (stored["classes"], stored["size"], stored["format"]) == (list(CLASSES), 48, 1)
    assert stored["columns"] is None
    (other,) = (e.value for e in onnx.load(str(with_metadata)).metadata_props if e.key == "fer")
    columns = json.loads(other)["columns"]
    assert {key for one in columns.values() for key in one} == {"mean", "std", "values"}


def test_grey_is_that_of_the_package() -> None:
    assert "0.299 R + 0.587 G + 0.114 B" in PAGE
    assert f"smaller than {MIN_FACE} pixels" in PAGE
    colors = np.random.default_rng(1).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    wanted = np.round(colors @ (0.299, 0.587, 0.114))
    assert np.abs(square_grey(colors, 48) - wanted).max() <= 1


def node(code: str, folder: Path) -> str:
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed")
    ran = subprocess.run(
        [program, "-e", code], cwd=folder, capture_output=True, text=True, check=False
    )
    if "Cannot find module 'onnxruntime-node'" in ran.stderr:
        pytest.skip("onnxruntime-node is not installed")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_javascript_of_grey(tmp_path: Path) -> None:
    pixels = [[255, 0, 0, 255], [0, 255, 0, 255], [10, 20, 30, 0]]
    flat = [value for pixel in pixels for value in pixel]
    code = f"{example('grey')}\nconsole.log(grey(new Uint8ClampedArray({flat})).join())"
    wanted = [round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b, _ in pixels]
    assert node(code, tmp_path).strip() == ",".join(map(str, wanted))


def test_javascript_of_the_model(small_onnx: Path, tmp_path: Path) -> None:
    shutil.copy(small_onnx, tmp_path / "model.onnx")
    (entry,) = onnx.load(str(small_onnx)).metadata_props
    (tmp_path / "model.json").write_text(entry.value, encoding="utf-8")
    out = node(example("javascript"), tmp_path)
    grey = np.full((1, 48, 48), 128, dtype=np.uint8)
    best = OnnxModel(small_onnx, threads=1).answer(grey)[0].argmax()
    assert out.split()[0] == CLASSES[best]


def test_cpp_uses_the_names_of_the_graph() -> None:
    code = example("cpp")
    assert '"faces"' in code
    assert '"probabilities"' in code
    assert 'LookupCustomMetadataMapAllocated("fer"' in code
