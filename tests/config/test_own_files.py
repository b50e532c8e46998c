"""A user's own folder of choices is laid out like ``conf/`` and checked as strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig

from fer.config.compose import compose
from fer.config.problems import ConfigError, Problem

FUSION = """\
# @package model.fusion
_target_: mine.Gate
gain: 1.5
steps: 2
soft: true
word: [a, b]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Hydra's grammar reads such a path as several values unless it is quoted.
    return tmp_path / "my parts, old=1"


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def composed(folder: Path, *overrides: str) -> DictConfig:
    return compose("train", overrides, [str(folder)])


def problems(folder: Path, *overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        composed(folder, *overrides)
    return caught.value.problems


def test_an_experiment_of_ones_own(folder: Path) -> None:
    text = "# @package _global_\ndefaults:\n  - override /data: synthetic\nseed: 7\n"
    write(folder, "experiment/mine.yaml", text)
    config = composed(folder, "experiment=mine", "data.source.train=9")
    assert config.seed == 7
    assert config.data.source.train == 9


def test_an_experiment_that_misspells_a_key_is_caught(folder: Path) -> None:
    write(folder, "experiment/mine.yaml", "# @package _global_\noptimizer:\n  lrr: 0.1\n")
    what = "there is no key 'optimizer.lrr'; did you mean 'optimizer.lr'?"
    assert problems(folder, "experiment=mine") == (Problem("optimizer.lrr", what),)


def test_an_experiment_cannot_bring_its_own_keys(folder: Path) -> None:
    write(folder, "experiment/mine.yaml", "# @package _global_\nseeed: 3\n")
    what = "there is no key 'seeed'; did you mean 'seed'?"
    assert problems(folder, "experiment=mine") == (Problem("seeed", what),)
    # The misspelt key must not become one that the command line can set.
    assert Problem("seeed=4", what) in problems(folder, "experiment=mine", "seeed=4")


def test_an_experiment_with_wrong_values_is_caught(folder: Path) -> None:
    text = "# @package _global_\nseed: -1\ntest: 'no'\ntrainer:\n  max_epochs: 1.5\n"
    write(folder, "experiment/mine.yaml", text)
    found = problems(folder, "experiment=mine", "optimizer.lr=abc")
    assert {p.where for p in found} == {"seed", "test", "trainer.max_epochs", "optimizer.lr"}


def test_an_experiment_that_chooses_what_is_not_there_is_caught(folder: Path) -> None:
    text = "# @package _global_\ndefaults:\n  - override /lstm: nope\n"
    write(folder, "experiment/mine.yaml", text)
    (problem,) = problems(folder, "experiment=mine")
    assert "lstm/nope" in problem.what


def test_a_part_of_ones_own_brings_its_keys(folder: Path) -> None:
    write(folder, "fusion/mine.yaml", FUSION)
    config = composed(folder, "fusion=mine", "model.fusion.gain=3")
    assert config.hydra.runtime.choices["fusion"] == "mine"
    assert config.model.fusion == {
        "_target_": "mine.Gate",
        "gain": 3,
        "steps": 2,
        "soft": True,
        "word": ["a", "b"],
    }


def test_values_of_a_part_of_ones_own_keep_the_kind_of_its_file(folder: Path) -> None:
    write(folder, "fusion/mine.yaml", FUSION)
    wrong = {"gain": "abc", "steps": "2.5", "soft": "1", "word": "a"}
    overrides = [f"model.fusion.{key}={value}" for key, value in wrong.items()]
    found = {p.where: p.what for p in problems(folder, "fusion=mine", *overrides)}
    assert found == {
        "model.fusion.gain": "must be a number, not 'abc'",
        "model.fusion.steps": "must be a whole number, not 2.5",
        "model.fusion.soft": "must be true or false, not 1",
        "model.fusion.word": "must be a list, not 'a'",
    }
    (problem,) = problems(folder, "fusion=mine", "model.fusion.gian=2")
    assert "did you mean 'model.fusion.gain'?" in problem.what


def test_a_part_of_ones_own_keeps_to_the_rules_of_known_keys(folder: Path) -> None:
    write(folder, "optimizer/mine.yaml", "_target_: mine.Optimizer\nlr: fast\n")
    assert problems(folder, "optimizer=mine") == (
        Problem("optimizer.lr", "must be a number above 0, not 'fast'"),
    )


def test_a_choice_of_ones_own_is_suggested(folder: Path) -> None:
    write(folder, "fusion/mixture.yaml", FUSION)
    (problem,) = problems(folder, "fusion=mixtur")
    assert problem.what == "there is no fusion 'mixtur'; did you mean 'mixture'?"


def test_without_the_folder_its_choices_are_not_there(folder: Path) -> None:
    write(folder, "fusion/mine.yaml", FUSION)
    with pytest.raises(ConfigError, match="there is no fusion 'mine'"):
        compose("train", ["fusion=mine"])
