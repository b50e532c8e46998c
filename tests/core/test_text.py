"""Names and numbers for people."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from fer.core.text import format_duration, printable


@given(st.text())
def test_a_name_never_breaks_a_line_and_can_be_read_back(name: str) -> None:
    shown = printable(name)
    assert shown.isprintable()
    assert shown == name or ast.literal_eval(shown) == name


@given(st.integers(0, 10**6))
def test_a_duration_is_that_many_seconds(seconds: int) -> None:
    whole = 0
    for part in format_duration(seconds).split(":"):
        whole = 60 * whole + int(part)
    assert whole == seconds
