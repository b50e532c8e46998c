"""A command line becomes a checked configuration, or one error with every mistake in it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from fer.config.compose import LAUNCHER_EXTRAS, compose, conf_folder, hydra_of, single_runs
from fer.config.issues import ConfigError
from tests.config.support import issues
from tests.support.errors import raises

#: Every choice of every group of a training, as an override.
CHOICES = sorted(
    f"{file.parent.name}={file.stem}"
    for file in conf_folder().glob("*/*.yaml")
    if not file.stem.startswith("_") and file.parent.name != "hparams_search"
)

FUSION = """\
# @package model.fusion
_target_: mine.Gate
gain: 1.5
steps: 2
soft: true
word: [a, b]
"""


@pytest.mark.parametrize("override", CHOICES)
def test_every_choice_composes_alone(override: str) -> None:
    group, choice = override.split("=")
    assert compose("train", [override]).hydra.runtime.choices[group] == choice


def test_the_command_line_outweighs_an_experiment() -> None:
    config = compose("train", ["experiment=demo", "trainer.max_epochs=2", "data=synthetic_clean"])
    assert (config.trainer.max_epochs, config.trainer.accelerator) == (2, "cpu")
    assert config.data.source.noise_free is True
    # What is kept of it does not leak into the next.
    config = compose("train", ["experiment=demo"])
    assert (config.trainer.max_epochs, config.hydra.runtime.choices.data) == (6, "synthetic")
    assert compose("train", []).hydra.runtime.choices.data == "fer2013"


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("optimizer.lrr=0.1", "'optimizer.lr'"),
        ("+optimizer.lrr=0.1", "'optimizer.lr'"),
        ("++optimizer.lrr=0.1", "'optimizer.lr'"),
        ("optimiser.lr=0.1", "'optimizer.lr'"),
        ("sed=3", "'seed'"),
        ("++lr=0.1", "'optimizer.lr'"),
        ("max_epochs=3", "'trainer.max_epochs'"),
        ("+optimiser=adam", "'optimizer'"),
        ("data.clean.blanks=all", "'data.clean.blank'"),
        ("foo.bar.baz=3", ""),
    ],
)
def test_an_unknown_key_is_told_with_what_was_meant(override: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose("train", [override])
    (issue,) = caught.value.issues
    assert (issue.code, issue.key) == ("unknown_key", override)
    assert issue.message.endswith(f"did you mean {meant}?") == bool(meant)


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ("optimizer=adm", "unknown_choice"),
        ("experiment=audit", "unknown_choice"),
        ("experiment=audit/_same", "unknown_choice"),
        ("data=_loader", "unknown_choice"),
        ("method=logistic", "unknown_key"),
        ("hparams_search=rate", "unknown_group"),
        ("+optimizer=sgd", "needless_plus"),
        ("+seed=3", "needless_plus"),
        ("model.backbone=vgg", "several_keys"),
        ("data.clean=all", "several_keys"),
        ("~optimizer", "deletion"),
        ("~optimizer.lr", "deletion"),
        ("seed=0,1", "several_values"),
        ("trainer=gpu,cpu", "several_values"),
        ("data.batch_size=range(1,3)", "several_values"),
        ("junk", "not_an_override"),
        ("hydra/launcher=kubernetes", "unknown_choice"),
        ("hydra/sweeper=optuna", "unknown_choice"),
    ],
)
def test_an_override_that_can_not_be_used_is_told(override: str, code: str) -> None:
    assert issues(override) == [(code, override)]


def test_all_mistakes_are_told_at_once_and_in_these_words() -> None:
    overrides = ["ckpt_path=/a=b", "optimizer=adm", "lr=0.1", "seed=-1", "trainer.max_epochs=x"]
    with pytest.raises(ConfigError) as caught:
        compose("train", overrides)
    assert (
        str(caught.value)
        == """\
5 problems in the configuration, nothing was run:
  ckpt_path=/a=b      can't be read; a value that holds = , : brackets, quotes or spaces needs two \
pairs of quotes: 'ckpt_path="/a=b"'
  optimizer=adm       there is no optimizer 'adm'; did you mean 'adam'?
  lr=0.1              there is no key 'lr'; did you mean 'optimizer.lr'?
  seed                must be greater than or equal to 0, not -1
  trainer.max_epochs  must be a whole number, not "x\""""
    )


@pytest.mark.parametrize("path", ["/a/epoch=3.ckpt", "runs/a=1,b=2/last.ckpt"])
def test_the_advice_on_quoting_works(path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose("train", [f"ckpt_path={path}"])
    advice = caught.value.issues[0].message
    (argument,) = shlex.split(advice[advice.index("'ckpt_path") :])  # as a shell would read it
    assert compose("train", [argument]).ckpt_path == path


def test_inner_keys_of_a_mapping_are_checked() -> None:
    config = compose("train", ["model.backbone={widths:[4,4,4,4]}"])
    assert (config.model.backbone.widths, config.model.backbone.dropout) == ([4, 4, 4, 4], 0.0)
    assert issues("model.backbone={widht:[4]}") == [("unknown_key", "model.backbone.widht")]
    assert issues("model.backbone={dropout:x}") == [("invalid_value", "model.backbone.dropout")]
    assert issues("name=${nope}") == [("composition", "composition")]


def test_what_is_handed_on_is_told_where_it_was_set() -> None:
    wrong = ["data=folder", "data.size=abc", "data.root=3"]
    assert issues(*wrong) == [("invalid_value", "data.size"), ("invalid_value", "data.root")]
    assert issues("data=folder", "data.fit=cut") == [("invalid_value", "data.fit")]
    key = "data.source.size"
    assert issues("data=folder", f"{key}=abc") == [("invalid_value", key)]


@pytest.mark.parametrize(
    ("overrides", "runs"),
    [
        ([], [[]]),
        (["seed=range(1,4)"], [["seed=1"], ["seed=2"], ["seed=3"]]),
        (["optimizer.lr=interval(0.1,0.5)"], [["optimizer.lr=0.1"], ["optimizer.lr=0.5"]]),
        (["++seed=1,2"], [["++seed=1"], ["++seed=2"]]),
        (["name='a=b',c"], [["name='a=b'"], ["name=c"]]),
        (
            ["model.backbone.widths=[4,4],[8,8]", "test=false"],
            [
                ["model.backbone.widths=[4,4]", "test=false"],
                ["model.backbone.widths=[8,8]", "test=false"],
            ],
        ),
        (
            ["data=fer2013,synthetic", "optimizer.lr=0.1,abc,0.3"],
            [
                ["data=fer2013", "optimizer.lr=0.1"],
                ["data=synthetic", "optimizer.lr=0.1"],
                ["data=fer2013", "optimizer.lr=abc"],
                ["data=fer2013", "optimizer.lr=0.3"],
            ],
        ),
    ],
)
def test_a_sweep_is_checked_value_by_value(overrides: list[str], runs: list[list[str]]) -> None:
    assert single_runs(overrides) == runs


def test_a_sweep_that_can_not_be_read_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        single_runs(["junk", "seed=0,1", "name=a=b"])
    assert [issue.key for issue in caught.value.issues] == ["junk", "name=a=b"]


# A folder of one's own, laid out like conf/. Hydra's grammar would read its name as several values.


@pytest.fixture
def own(tmp_path: Path) -> str:
    return str(tmp_path / "my parts, old=1")


def write(folder: str, name: str, text: str) -> None:
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_an_experiment_of_ones_own(own: str) -> None:
    text = "# @package _global_\ndefaults:\n  - override /data: synthetic\nseed: 7\n"
    write(own, "experiment/mine.yaml", text)
    config = compose("train", ["experiment=mine", "data.source.train=9"], [own])
    assert (config.seed, config.data.source.train) == (7, 9)
    assert issues("experiment=mine") == [("unknown_choice", "experiment=mine")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer:\n  lrr: 0.1\n", [("unknown_key", "optimizer.lrr")]),
        ("seeed: 3\n", [("unknown_key", "seeed")]),
        (
            "seed: -1\ntest: 'no'\ntrainer:\n  max_epochs: 1.5\n",
            [
                ("out_of_range", "seed"),
                ("invalid_value", "test"),
                ("invalid_value", "trainer.max_epochs"),
            ],
        ),
        ("defaults:\n  - override /lstm: nope\n", [("composition", "composition")]),
    ],
)
def test_what_an_experiment_of_ones_own_does_wrong(
    own: str, text: str, expected: list[tuple[str, str]]
) -> None:
    write(own, "experiment/mine.yaml", f"# @package _global_\n{text}")
    assert issues("experiment=mine", dirs=[own]) == expected
    # A misspelt key does not become one that the command line can set.
    if "seeed" in text:
        assert ("unknown_key", "seeed=4") in issues("experiment=mine", "seeed=4", dirs=[own])


def test_a_part_of_ones_own_brings_its_keys_and_their_types(own: str) -> None:
    write(own, "fusion/mine.yaml", FUSION)
    config = compose("train", ["fusion=mine", "model.fusion.gain=3"], [own])
    assert (config.model.fusion.gain, config.model.fusion.word) == (3, ["a", "b"])
    wrong = {"gain": "abc", "steps": "2.5", "soft": "1", "word": "a"}
    overrides = [f"model.fusion.{key}={value}" for key, value in wrong.items()]
    assert issues("fusion=mine", *overrides, dirs=[own]) == [
        ("invalid_value", f"model.fusion.{key}") for key in wrong
    ]
    with raises("unknown_choice", "fusion=mien"):
        compose("train", ["fusion=mien"], [own])
    # Known keys keep their range.
    write(own, "optimizer/mine.yaml", "_target_: mine.Optimizer\nlr: fast\n")
    assert issues("optimizer=mine", dirs=[own]) == [("invalid_value", "optimizer.lr")]


# Launchers.


@pytest.mark.parametrize("launcher", LAUNCHER_EXTRAS)
def test_a_missing_launcher_names_its_extra(monkeypatch: pytest.MonkeyPatch, launcher: str) -> None:
    hydra_of("train")
    loader = type(GlobalHydra.instance().config_loader())
    options = loader.get_group_options
    monkeypatch.setattr(
        loader,
        "get_group_options",
        lambda self, group, *more, **named: (
            ["basic"] if group == "hydra/launcher" else options(self, group, *more, **named)
        ),
    )
    override = f"hydra/launcher={launcher}"
    with pytest.raises(ConfigError) as caught:
        compose("train", [override])
    (issue,) = caught.value.issues
    assert (issue.code, issue.key) == ("missing_extra", override)
    assert f".[train,{LAUNCHER_EXTRAS[launcher]}]" in issue.message
    compose("train", ["hydra/launcher=basic"])
