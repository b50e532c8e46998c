"""A measured value as text."""

from __future__ import annotations

import pytest

from fer.evaluation.table.formatting import format_value


@pytest.mark.parametrize(
    ("value", "unit", "interval", "text"),
    [
        (0.6, "%", None, "60.0 %"),
        (0.60606, "%", (0.591, 0.62186), "60.6 % (59.1–62.2)"),
        (0.4549, "number", (0.4, 0.5), "0.45 (0.40–0.50)"),
        (0.134, "ms", None, "0.13 ms"),
        (12.34, "ms", None, "12.3 ms"),
        (9512.7, "/s", None, "9,513 /s"),
        ("leaked", "word", None, "leaked"),
        (0.0123, "points", (-0.0011, 0.0251), "+1.2 points (−0.1 to +2.5)"),
        (-0.5, "points", None, "−50.0 points"),
        (6307, "count", None, "6,307"),
        (687_783, "count", None, "0.69 M"),
        (57_665_280, "count", None, "57.7 M"),
        (1_234_567_890, "count", None, "1,235 M"),
    ],
)
def test_a_value_in_its_unit(
    value: float | str, unit: str, interval: tuple[float, float] | None, text: str
) -> None:
    assert format_value(value, unit, interval) == text


@pytest.mark.parametrize(
    ("value", "unit", "sd", "text"),
    [(0.5862, "%", 0.0043, "58.6 ± 0.4 %"), (290.4, "/s", 12.2, "290 ± 12 /s")],
)
def test_a_mean_over_seeds(value: float, unit: str, sd: float, text: str) -> None:
    assert format_value(value, unit, (value - sd, value + sd), spread=True) == text
