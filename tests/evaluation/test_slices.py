"""Accuracy on parts of the faces."""

from __future__ import annotations

import numpy as np
import pytest

from fer.evaluation.slices import slices


def test_brightness_and_contrast_are_cut_into_thirds() -> None:
    grey = np.arange(90, dtype=np.uint8)
    images = np.broadcast_to(grey[:, None, None], (90, 4, 4))
    correct = grey < 30
    found = slices(images, {}, correct)
    bright = found["brightness"]
    assert [(part["name"], part["n"], part["accuracy"]) for part in bright] == [
        ("low", 30, 1.0),
        ("middle", 30, 0.0),
        ("high", 30, 0.0),
    ]
    assert (bright[0]["from"], bright[0]["to"]) == (0.0, 29.0)
    assert bright[0]["accuracy_ci95"] == [1.0, 1.0]
    # All of one contrast: one part, not three of which two are empty.
    assert [(part["name"], part["n"]) for part in found["contrast"]] == [("low", 90)]


def test_metadata_are_cut_by_value_and_by_number() -> None:
    images = np.zeros((6, 2, 2), dtype=np.uint8)
    metadata = {
        "age": np.array([10, 20, 30, 40, np.nan, 60], dtype=np.float32),
        "gender": np.array(["f", "m", "", "f", "m", "f"]),
        "id": np.array([f"{i:06}" for i in range(6)]),
        "empty": np.full(6, np.nan),
    }
    correct = np.array([True, False, True, True, False, False])
    found = slices(images, metadata, correct)
    gender = {part["name"]: (part["n"], part["accuracy"]) for part in found["metadata.gender"]}
    assert gender == {"missing": (1, 1.0), "f": (3, pytest.approx(2 / 3)), "m": (2, 0.0)}
    assert [part["name"] for part in found["metadata.age"]] == ["low", "middle", "high", "missing"]
    assert sum(part["n"] for part in found["metadata.age"]) == 6
    assert [part["name"] for part in found["metadata.empty"]] == ["missing"]


def test_text_with_too_many_values_is_left_out() -> None:
    images = np.zeros((30, 2, 2), dtype=np.uint8)
    names = np.array([str(i) for i in range(30)])
    assert "metadata.id" not in slices(images, {"id": names}, np.ones(30, dtype=bool))
