"""What is known beside a face: described once, read the same way ever after."""

from __future__ import annotations

import numpy as np
import pytest

from fer.core.metadata import describe, encode

AGE = np.array([20.0, np.nan, 40.0], dtype=np.float32)
PLACE = np.array(["hall", "", "lab"])


def test_a_description_is_plain() -> None:
    columns = describe({"age": AGE, "place": PLACE})
    assert columns == {"age": {"mean": 30.0, "std": 10.0}, "place": {"values": ["hall", "lab"]}}
    assert type(columns["age"]["mean"]) is float
    assert all(type(word) is str for word in columns["place"]["values"])


@pytest.mark.parametrize(
    "values", [np.array([3.0, 3.0]), np.array([np.nan, np.nan]), np.array(["", "x"])]
)
def test_what_says_nothing_is_left_out(values: np.ndarray) -> None:
    assert describe({"column": values}) == {}


def test_missing_unknown_and_further_values() -> None:
    columns = describe({"age": AGE, "place": PLACE})
    table = encode({"place": ["lab", "roof"], "colour": ["red", "blue"]}, columns, 2)
    assert table.dtype == np.float32
    np.testing.assert_array_equal(table, [[np.nan, 1], [np.nan, np.nan]])
    np.testing.assert_array_equal(encode({"age": AGE}, columns, 3)[:, 0], AGE)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"age": [1.0]}, r"'age' has shape \[1\], not \[2\]"),
        ({"age": ["x", "y"]}, "must be numbers"),
    ],
)
def test_what_does_not_fit(metadata: dict[str, list[object]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(metadata, {"age": {"mean": 0.0, "std": 1.0}}, 2)
