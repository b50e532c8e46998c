"""Which room may import what: read from the source, so that it holds for lines that never run."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fer"
MODULES = sorted(PACKAGE.rglob("*.py"))

HYDRA = ("hydra", "omegaconf")
TRAINING_ONLY = ("lightning", "pytorch_lightning", *HYDRA, "wandb", "albumentations")

#: What a room (a file, or a folder with all below it) never imports, not even lazily. More exact
#: names win: ``learning/callbacks`` need not repeat what holds for ``learning``.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "core": (*TRAINING_ONLY, "torch", "cv2"),
    "core/labels": ("fer", "torch", "timm", "cv2"),
    "pixels": ("fer.data", "fer.models", "fer.learning", "fer.config", "torch", "timm"),
    "pictures": ("fer.data", "fer.inference", "fer.models", "fer.learning", "fer.config", "torch"),
    "core/clips": ("fer", "torch", "timm", "cv2"),
    "data": ("fer.models", "fer.learning", "fer.config", "fer.inference", "fer.train"),
    "models": (*TRAINING_ONLY, "fer.data", "fer.learning", "fer.config", "fer.train"),
    "learning": ("fer.config", "fer.train", "fer.evaluation", "fer.inference", "fer.live"),
    "evaluation": ("fer.learning", "fer.models", "fer.config", "fer.experiments", "fer.live"),
    "inference": (*TRAINING_ONLY, "fer.data", "fer.learning", "fer.config", "fer.live"),
    "live": (*TRAINING_ONLY, "fer.data", "fer.models", "fer.learning", "fer.config"),
    "commands": (*TRAINING_ONLY, "torch", "fer.models", "fer.learning", "fer.config"),
    "inference/scoring": ("torch", "fer.models"),
    "live/aggregation": ("cv2", "fer.live.server", "fer.reporting"),
    "reporting": (*TRAINING_ONLY, "fer.live.server", "fer.learning", "fer.models", "fer.config"),
    "config": ("fer.train", "fer.inference", "fer.live", "fer.experiments"),
    "experiments": ("fer.models", "fer.learning", "fer.data", "fer.train", "fer.live"),
    "core/process": ("fer", "torch"),
    "core/locks": ("fer", "torch"),
    # It comes before all that it silences.
    "core/telemetry": ("fer", "onnxruntime", "torch", "wandb"),
}  # fmt: skip

#: The only rooms that import a library, and whether they do it inside a function.
ONLY_IN: dict[str, tuple[tuple[str, ...], bool]] = {
    "hydra": (("config", "experiments", "train", "evaluate", "baseline", "table"), False),
    "omegaconf": (("config", "experiments", "train", "evaluate", "baseline", "table"), False),
    "wandb": (("learning/callbacks",), True),
    "albumentations": (("data/augmentation", "data/_augmentation", "evaluation/robustness"), True),
    "timm": (("models",), False),
    "optuna": (("experiments/search",), True),
    "ray": (("inference/scoring/on_ray",), True),
    "fastapi": (("live/server",), False),
    "starlette": (("live/server",), False),
    "uvicorn": (("live/server",), False),
    "websockets": (("live/server",), False),
}

#: ``from fer.models import …`` in inference is for checkpoints alone, and only where it is used.
LAZY_ONLY: dict[str, tuple[str, ...]] = {
    "inference": ("fer.models", "torch"),
    # Parquet is an extra.
    "inference/scoring": ("pyarrow",),
}


@dataclass(frozen=True)
class Import:
    """One imported name; ``runs`` tells an import from one that is for type checkers only."""

    name: str
    line: int
    lazy: bool
    runs: bool = True


def imports_of(source: str, package: str = "fer") -> Iterator[Import]:
    """Yield every import in the text of a module of ``package``, lazy ones included."""

    def visit(node: ast.AST, lazy: bool, runs: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, lazy, runs) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            start = [*parents, node.module] if node.level else [node.module]
            base = ".".join(part for part in start if part)
            # The name itself may be a module: `from fer import data`.
            yield from (
                Import(f"{base}.{alias.name}", node.lineno, lazy, runs) for alias in node.names
            )
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                yield from visit(child, lazy, runs=False)
            for child in node.orelse:
                yield from visit(child, lazy, runs)
        else:
            inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inside, runs)

    yield from visit(ast.parse(source), lazy=False, runs=True)


def covers(prefix: str, name: str) -> bool:
    """Say whether a dotted name is ``prefix`` or lies below it."""
    return name == prefix or name.startswith(f"{prefix}.")


def is_in(room: str, module: str) -> bool:
    """Say whether a module (``data/loading``) is the room, lies in it or is a part of it."""
    return module == room or module.startswith((f"{room}/", f"{room}_"))


def violations(module: str, source: str) -> list[str]:
    """Return what a module's imports break.

    Args:
        module: its path below ``fer/`` without the suffix: ``data/loading``.
        source: its text.
    """
    found = []
    package = ".".join(["fer", *module.split("/")[:-1]])
    for one in imports_of(source, package):
        at = f"fer/{module}.py:{one.line}: imports {one.name}"
        for room, names in FORBIDDEN.items():
            if is_in(room, module) and any(covers(name, one.name) for name in names):
                found.append(f"{at}, which {room} does not know")
        if not one.runs:
            continue
        for library, (rooms, lazily) in ONLY_IN.items():
            if covers(library, one.name):
                if not any(is_in(room, module) for room in rooms):
                    found.append(f"{at}, which belongs in {', '.join(rooms)}")
                elif lazily and not one.lazy:
                    found.append(f"{at} before it is needed: import it in the function")
        for room, names in LAZY_ONLY.items():
            eager = not one.lazy and any(covers(name, one.name) for name in names)
            if is_in(room, module) and eager:
                found.append(f"{at} before it is needed: import it in the function")
    return found


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_import_only_what_they_may(path: Path) -> None:
    assert violations(name_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_product_knows_nothing_of_the_checkout(path: Path) -> None:
    names = [one.name for one in imports_of(path.read_text(encoding="utf-8"))]
    assert not [n for n in names if any(covers(r, n) for r in ("tools", "tests", "benchmarks"))]


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py"], ids=name_of)
def test_public_names_are_sorted_and_there(path: Path) -> None:
    package = ".".join(["fer", *path.relative_to(PACKAGE).parts[:-1]])
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    # As ruff sorts them: CONSTANTS, then Classes, then functions.
    assert list(names) == sorted(set(names), key=lambda name: (_kind(name), name))
    for name in names:
        assert getattr(module, name) is not None


def _kind(name: str) -> int:
    if name.isupper():
        return 0
    return 1 if name[0].isupper() else 2


@pytest.mark.parametrize("room", [*FORBIDDEN, *LAZY_ONLY])
def test_rules_name_rooms_that_exist(room: str) -> None:
    there = (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file()
    assert there, "a rule for a room that was renamed holds nothing"


@pytest.mark.parametrize(
    ("module", "source", "complaints"),
    [
        ("models/views", "import torch, timm\nfrom torch import nn", 0),
        ("models/views", "import lightning", 1),
        ("models/views", "from lightning.pytorch import Trainer", 1),
        ("models/views", "def f():\n    from fer.data import source", 1),
        ("models/views", "from fer import data", 1),
        ("models/views", "from ..data import source", 1),
        ("models/backbones/new", "from ...data import source", 1),
        ("models/views", "from . import fusion", 0),
        ("models/views", "import lightningcss", 0),
        ("models/views", "try:\n    import wandb\nexcept ImportError:\n    pass", 2),
        ("data/loading", "from fer.models import build", 1),
        ("data/loading", "import albumentations", 1),
        ("data/loading", "async def f():\n    import omegaconf", 1),
        ("data/augmentation", "import albumentations as A", 1),
        ("data/augmentation", "def f():\n    import albumentations as A", 0),
        (
            "data/augmentation",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import albumentations",
            0,
        ),
        ("data/loading", "if TYPE_CHECKING:\n    from fer.models import build", 1),
        ("learning/module", "from fer.train import train", 1),
        ("learning/module", "def f():\n    import wandb", 1),
        ("learning/callbacks/pictures", "import wandb", 1),
        ("learning/callbacks/pictures", "class A:\n    def f(self):\n        import wandb", 0),
        ("learning/loggers", "from lightning.pytorch.loggers import WandbLogger", 0),
        ("pixels", "from fer.core.labels import EMOTIONS", 0),
        ("pixels", "import torch", 1),
        ("core/labels", "from fer import pixels", 1),
        ("config/compose", "from hydra import compose", 0),
        ("cli", "import hydra", 1),
        ("train", "from omegaconf import DictConfig", 0),
        ("inference/bundle", "def f():\n    from fer.models import build", 0),
        ("inference/bundle", "from fer.models import build", 1),
        ("inference/bundle", "def f():\n    import lightning", 1),
        ("live/server", "from fer.inference import Recognizer", 0),
        ("live/server/app", "import fastapi", 0),
        ("live/session", "def f():\n    import fastapi", 1),
        ("live/aggregation/windows", "from fer.live.server import app", 1),
        ("live/server", "if True:\n    import hydra", 2),
        ("evaluation/robustness", "def f():\n    import albumentations", 0),
        ("evaluation/robustness_shifts", "def f():\n    import albumentations", 0),
        ("evaluation/gradcam", "def f():\n    import albumentations", 1),
        ("experiments/search/study", "def f():\n    import optuna", 0),
        ("experiments/search/study", "import optuna", 1),
        ("experiments/runner", "from fer.learning import FerModule", 1),
        ("search", "def f():\n    import optuna", 1),
        ("inference/scoring/on_ray", "def f():\n    import ray", 0),
        ("inference/scoring/on_ray", "from ray import data", 1),
        ("inference/scoring/table", "def f():\n    import ray", 1),
        ("inference/scoring/table", "import pyarrow", 1),
        ("commands/score", "def f():\n    import lightning", 1),
        ("commands/score", "def f():\n    import torch", 1),
    ],
)
def test_the_rules_catch_what_breaks_them(module: str, source: str, complaints: int) -> None:
    assert len(violations(module, source)) == complaints, violations(module, source)
