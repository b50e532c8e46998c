"""The audit's experiments: one network and one budget, and each its own protocol."""

from __future__ import annotations

import pytest

from fer.config.compose import compose
from fer.config.problems import ConfigError
from fer.config.rules import rule_for
from fer.data.cleaning.protocols import PROTOCOLS

#: Faces in the training split of the real FER2013 under each protocol.
ROWS = {
    "official": ("official", 28698),
    "resplit": ("resplit", 28702),
    "augment_first": ("augment_first", 50330),
    "train_as_test": ("train_as_test", 28698),
    "train_on_test": ("train_on_test", 35876),
    "ferplus": ("other_labels", 26778),
    "fewer_classes": ("fewer_classes", 15348),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_the_audit(name: str) -> None:
    config = compose("train", [f"experiment=audit/{name}"])
    protocol, faces = ROWS[name]
    assert config.data.protocol == protocol
    steps = faces // config.data.batch_size * config.trainer.max_epochs
    assert 4400 < steps < 4750, "budgets are equal"
    official = compose("train", ["experiment=audit/official"])
    for part in ("model", "loss", "optimizer", "scheduler", "augmentation", "seed", "callbacks"):
        assert config[part] == official[part], part
    assert config.model.lstm is None


def test_every_protocol_has_a_row_and_a_place_in_the_rules() -> None:
    assert {protocol for protocol, _ in ROWS.values()} == set(PROTOCOLS)
    rule = rule_for("data.protocol", "official")
    assert rule.text == f"one of {', '.join(PROTOCOLS)}"


def test_experiments_in_a_folder_are_offered_and_their_common_part_is_not() -> None:
    for wrong, words in {
        "audit/resplitt": "did you mean 'audit/resplit'?",
        "audit/_same": "there are demo, ",
        "audit": ", audit/augment_first, audit/ferplus",
    }.items():
        with pytest.raises(ConfigError) as caught:
            compose("train", [f"experiment={wrong}"])
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["data.protocol=leaky"], "must be one of official, resplit"),
        (["data.only_classes=[happy]"], "must be a list of values, each text or null"),
        (["data.only_classes=happy"], "must be a list of values"),
    ],
)
def test_a_wrong_value_is_refused(overrides: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose("train", ["data=synthetic", *overrides])
    assert complaint in str(caught.value)
