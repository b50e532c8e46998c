"""The real FER2013, read once for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fer.data.source import DataNotFoundError, Faces
from fer.data.sources import Fer2013

OFFICIAL_GZ = "e9aeabf8ea2745afd961e65d5993f5ae76945067546304b3f4b37aaa3b40d89d"


@pytest.fixture(scope="session")
def official(parsed: Path) -> Faces:
    """Return FER2013 as the one ``fer2013.csv.gz`` that the figures are known of."""
    root = os.environ.get("FER_DATA_ROOT")
    if not root:
        pytest.skip("FER_DATA_ROOT is not set: the real FER2013 is not tested")
    try:
        faces = Fer2013(root, str(parsed)).load()
    except DataNotFoundError:
        pytest.skip("no FER2013 in FER_DATA_ROOT")
    if faces.fingerprint != OFFICIAL_GZ:
        pytest.skip("the figures are known of one fer2013.csv.gz alone")
    return faces
