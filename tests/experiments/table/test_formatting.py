"""A measured value as text."""

from __future__ import annotations

import pytest

from fer.experiments.table.formatting import format_value


@pytest.mark.parametrize(
    ("value", "unit", "interval", "text"),
    [
        (0.60606, "%", (0.591, 0.62186), "60.6 % (59.1–62.2)"),
        (0.4549, "number", (0.4, 0.5), "0.45 (0.40–0.50)"),
        (0.134, "ms", None, "0.13 ms"),
        (9512.7, "/s", None, "9,513 /s"),
        ("leaked", "word", None, "leaked"),
        (6307, "count", None, "6,307"),
        (57_665_280, "count", None, "57.7 M"),
        (1_234_567_890, "count", None, "1,235 M"),
    ],
)
def test_a_value_in_its_unit(
    value: float | str, unit: str, interval: tuple[float, float] | None, text: str
) -> None:
    assert format_value(value, unit, interval) == text


def test_a_mean_over_seeds() -> None:
    assert format_value(290.4, "/s", (278.2, 302.6), spread=True) == "290 ± 12 /s"
