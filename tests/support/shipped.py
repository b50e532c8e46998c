"""What must hold for the models that come with the package, in whatever folder they lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fer.data.synthetic import SyntheticFaces
from fer.inference import OnnxModel, load_checkpoint
from tools.ship import LARGEST, LARGEST_TOGETHER, check_portable, sha256


def names_in(folder: Path) -> list[str]:
    """Return the models of a folder, by whichever of their files are there."""
    return sorted({path.stem for path in folder.glob("*") if path.name != "README.md"})


def complaints(folder: Path, name: str) -> list[str]:
    """Return in what a model's sidecar and its files are not one."""
    files = {suffix: folder / f"{name}{suffix}" for suffix in (".onnx", ".pt", ".json")}
    if absent := [path.name for path in files.values() if not path.is_file()]:
        return [f"there is no {one}" for one in absent]
    told: dict[str, Any] = json.loads(files[".json"].read_text(encoding="utf-8"))
    found = []
    for suffix in (".onnx", ".pt"):
        path = files[suffix]
        if told["files"].get(path.name) != {
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        }:
            found.append(f"{path.name} is another file than {name}.json says")
        if path.stat().st_size > LARGEST:
            found.append(f"{path.name} is too large")
    if told["name"] != name:
        found.append(f"name is {told['name']}")
    model, tensors = OnnxModel(files[".onnx"], threads=1), load_checkpoint(files[".pt"])
    known = model.description
    wanted = {
        "classes": list(known.classes),
        "size": known.size,
        "fit": known.fit,
        "frames": known.frames,
        "columns": known.columns,
        "temperature": known.temperature,
        "precision": known.precision,
        "storage": known.storage,
        "not_comparable": known.not_comparable,
        "model": known.recipe["model"],
    }
    found += [f"{key} is {told.get(key)}" for key in wanted if told.get(key) != wanted[key]]
    for key, part in (("fingerprint", "data"), ("protocol", "data"), ("commit", "recipe"),
                      ("seed", "recipe")):  # fmt: skip
        if told[part][key] != known.recipe.get(key):
            found.append(f"{part}.{key} is {told[part][key]}")
    check_portable(told["recipe"]["command"])
    if (tensors.classes, tensors.size, tensors.temperature) != (
        known.classes,
        known.size,
        known.temperature,
    ):
        found.append(f"{name}.pt is of another model")
    elif known.columns is None:
        steps = () if known.frames is None else (known.frames,)
        shape = (5, *steps, known.size, known.size)
        faces = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        if known.precision != "float32":
            # Eight bits have a range that fits faces, and round what lies in it.
            faces = np.asarray(
                SyntheticFaces(test=28, size=known.size).load().splits["test"].images
            )
        ours, theirs = model.logits(faces), tensors.logits(faces)
        same = np.allclose(ours, theirs, atol=1e-4)
        if known.precision != "float32":
            same = bool(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.98)
        if not same:
            found.append(f"{name}.pt answers otherwise")
    return found


def size_of(folder: Path) -> int:
    """Return the bytes of all files, which must not be more than the limit."""
    total = sum(path.stat().st_size for path in folder.glob("*"))
    assert total <= LARGEST_TOGETHER
    return total
