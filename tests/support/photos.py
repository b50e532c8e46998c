"""Real photos that come inside installed packages: read there, never copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer.pictures import read_picture
from fer.pixels import Image


def grace_hopper_path() -> Path:
    """Return the path of a portrait that Matplotlib carries; one face at about (182, 121)."""
    cbook = pytest.importorskip("matplotlib.cbook")
    return Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))


def grace_hopper() -> Image:
    """Return that portrait, uint8 ``[600, 512, 3]``."""
    return read_picture(grace_hopper_path())


#: Where the face in it is: x, y, w, h.
HOPPER = (182, 121, 171, 211)
