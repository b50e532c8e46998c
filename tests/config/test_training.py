"""Choices of a training that do not go together, told before torch is loaded."""

from __future__ import annotations

import pytest

from fer.config.compose import compose
from fer.config.problems import ConfigError
from fer.config.training import check_training


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.metadata=a.csv"], "nothing reads it with metadata=none"),
        (["data.manifest=m.csv"], "FER2013's own labels need no rows"),
        (["loss=soft"], "choose data=ferplus data.target=distribution"),
        (["loss=soft", "data=synthetic"], "SoftTargetLoss learns from distributions of votes"),
        (["loss=soft", "data=ferplus"], "choose data=ferplus data.target=distribution"),
    ],
)
def test_what_nothing_would_come_of_is_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose("train", overrides, check=check_training)
    (problem,) = caught.value.problems
    assert words in problem.what


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["metadata=dense", "data.metadata=a.csv"],
        ["data=ferplus", "data.manifest=m.csv"],
        ["data=ferplus", "data.target=distribution", "loss=soft"],
        ["data=fer2013_votes", "data.manifest=m.csv", "loss=soft"],
        # Whether a source of one's own has votes, it says itself when it is read.
        ["loss=soft", "data.source._target_=mine.Votes"],
    ],
)
def test_what_goes_together_is_taken(overrides: list[str]) -> None:
    compose("train", overrides, check=check_training)
