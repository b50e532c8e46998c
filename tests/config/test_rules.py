"""Each kind of value takes what it says and nothing beside it."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from fer.config.kinds import Rule, choice, either, integer, like, listing, number, text
from fer.config.rules import RULES, rule_for

#: One of each kind that YAML knows.
ANY: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 5, -0.5, 0.0, 0.5, 1.0, 5.0, nan, inf, -inf),
    *("", "a", "1", [], [1], ["a"], {}, {"a": 1}),
)


def taken(rule: Rule) -> list[Any]:
    return [value for value in ANY if rule.complaint(value) is None]


def exactly(values: list[Any]) -> list[tuple[type, Any]]:
    """Return values with their types, since 1 == 1.0 == True."""
    return [(type(value), value) for value in values]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (integer(0), [0, 1, 2, 5]),
        (integer(1, 2), [1, 2]),
        (integer(-1), [-1, 0, 1, 2, 5]),
        (integer(2, optional=True), [None, 2, 5]),
        (number(), [-1, 0, 1, 2, 5, -0.5, 0.0, 0.5, 1.0, 5.0]),
        (number(0, 1), [0, 1, 0.0, 0.5, 1.0]),
        (number(0, 1, above=True), [1, 0.5, 1.0]),
        (number(0, 1, below=True), [0, 0.0, 0.5]),
        (number(0, 1, above=True, below=True), [0.5]),
        (number(5, optional=True), [None, 5, 5.0]),
        (choice("a", "b"), ["a"]),
        (choice(1, "a"), [1, "a"]),
        (choice(True, "a", optional=True), [None, True, "a"]),
        (text(), ["a", "1"]),
        (text(optional=True), [None, "a", "1"]),
        (listing(integer(0)), [[], [1]]),
        (listing(integer(0), least=1), [[1]]),
        (listing(integer(2)), [[]]),
        (listing(text(), length=1), [["a"]]),
        (listing(text(), length=0), [[]]),
        (either(integer(2), choice("a")), [2, 5, "a"]),
        (either(choice(True), text(), optional=True), [None, True, "a", "1"]),
        (like(True), [True, False]),
        (like(3), [-1, 0, 1, 2, 5]),
        (like(0.1), [-1, 0, 1, 2, 5, -0.5, 0.0, 0.5, 1.0, 5.0]),
        (like("word"), ["a", "1"]),
        (like([]), [[], [1], ["a"]]),
    ],
    ids=lambda value: value.text if isinstance(value, Rule) else "",
)
def test_a_rule_takes_exactly(rule: Rule, expected: list[Any]) -> None:
    assert exactly(taken(rule)) == exactly(expected)


def test_a_key_without_a_value_takes_anything() -> None:
    assert len(taken(like(None))) == len(ANY)


@pytest.mark.parametrize("low", [-2, 0, 3])
@pytest.mark.parametrize("width", [0, 1, 4])
def test_ends_of_a_range_belong_to_it_unless_left_out(low: int, width: int) -> None:
    high = low + width
    around = range(low - 2, high + 3)
    assert [v for v in around if integer(low, high).complaint(v) is None] == [*range(low, high + 1)]
    inside = number(low, high, above=True, below=True)
    assert [v for v in around if inside.complaint(v) is None] == [*range(low + 1, high)]
    assert inside.complaint(low + 1e-9) is None or width == 0
    assert number(low, high).complaint(high + 1e-9) is not None


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_rule_takes_nan_infinity_or_a_mapping(rule: Rule) -> None:
    for value in (nan, inf, -inf, [nan], {"a": 1}):
        assert rule.complaint(value) is not None


@pytest.mark.parametrize(("key", "rule"), RULES.items(), ids=RULES)
def test_null_and_booleans_are_taken_only_where_the_rule_says_so(key: str, rule: Rule) -> None:
    assert (rule.complaint(None) is None) == rule.optional
    says_true = "true" in rule.text.replace(",", "").split()
    assert (rule.complaint(True) is None) == says_true


def test_a_complaint_says_what_is_right_and_what_was_given() -> None:
    assert integer(1).complaint(0) == "must be a whole number of at least 1, not 0"
    assert text(optional=True).complaint(True) == "must be text or null, not true"
    assert number(0, above=True).complaint(None) == "must be a number above 0, not null"
    assert choice(True, "warn").complaint("x") == "must be one of true, warn, not 'x'"


def test_a_rule_is_found_by_key_by_pattern_or_by_the_file() -> None:
    assert rule_for("seed", "text") is RULES["seed"]
    assert rule_for("model.lstm.dropout", 0) is RULES["model.*.dropout"]
    assert rule_for("model.fusion.mine", 2.5).text == "a number"
