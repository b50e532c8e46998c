"""A folder of data, and the source fer2013 that reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer.data.source import Faces
from fer.data.sources import Fer2013


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Callable[..., Faces]:
    """Load FER2013 from the folder, with a cache of its own."""
    cache = str(tmp_path / "cache")

    def load(path: Path | None = None, **options: Any) -> Faces:
        return Fer2013(str(path or root), cache, **options).load()

    return load
