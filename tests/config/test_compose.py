"""A command line becomes a checked configuration, or one error with every mistake in it."""

from __future__ import annotations

import shlex

import pytest

from fer.config.compose import compose, single_runs
from fer.config.location import conf_folder
from fer.config.problems import ConfigError, Problem

#: Every choice of every group of a training, as an override.
CHOICES = sorted(
    f"{file.parent.name}={file.stem}"
    for file in conf_folder().glob("*/*.yaml")
    if not file.stem.startswith("_") and file.parent.name != "hparams_search"
)


def problems(*overrides: str) -> tuple[Problem, ...]:
    """Return what is wrong with overrides that can't be used."""
    with pytest.raises(ConfigError) as caught:
        compose("train", overrides)
    return caught.value.problems


def only_problem(*overrides: str) -> Problem:
    (problem,) = problems(*overrides)
    return problem


def test_the_defaults_compose() -> None:
    config = compose("train", [])
    assert config.seed == 0
    assert config.test is False
    assert config.hydra.runtime.choices["data"] == "fer2013"


def test_there_are_choices_to_compose() -> None:
    assert {"data=synthetic", "model=cnn_lstm", "experiment=demo"} <= set(CHOICES)


@pytest.mark.parametrize("override", CHOICES)
def test_every_choice_composes_alone(override: str) -> None:
    group, choice = override.split("=")
    # What it is nothing without.
    more = ["callbacks.distillation.teachers=[A]"] * (choice == "distillation")
    assert compose("train", [override, *more]).hydra.runtime.choices[group] == choice


def test_the_demo_chooses_the_built_in_faces() -> None:
    config = compose("train", ["experiment=demo", "seed=3"])
    choices = config.hydra.runtime.choices
    assert (choices["data"], choices["trainer"]) == ("synthetic", "cpu")
    assert config.trainer.max_epochs == 6
    assert config.seed == 3


def test_the_command_line_outweighs_an_experiment() -> None:
    config = compose("train", ["experiment=demo", "trainer.max_epochs=2", "data=synthetic_clean"])
    assert config.trainer.max_epochs == 2
    assert config.data.source.noise_free is True


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("optimizer.lrr=0.1", "there is no key 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        ("+optimizer.lrr=0.1", "there is no key 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        ("++optimizer.lrr=0.1", "there is no key 'optimizer.lrr'; did you mean 'optimizer.lr'?"),
        ("optimiser.lr=0.1", "there is no key 'optimiser.lr'; did you mean 'optimizer.lr'?"),
        ("trainer.max_epoch=3", "did you mean 'trainer.max_epochs'?"),
        ("sed=3", "there is no key 'sed'; did you mean 'seed'?"),
        ("lr=0.1", "there is no key 'lr'; did you mean 'optimizer.lr'?"),
        ("++lr=0.1", "there is no key 'lr'; did you mean 'optimizer.lr'?"),
        ("max_epochs=3", "there is no key 'max_epochs'; did you mean 'trainer.max_epochs'?"),
        ("foo.bar.baz=3", "there is no key 'foo.bar.baz'"),
        ("optimiser=adam", "did you mean 'optimizer'?"),
        ("+optimiser=adam", "did you mean 'optimizer'?"),
        ("optimizer=adm", "there is no optimizer 'adm'; did you mean 'adam'?"),
        ("experiment=demoo", "there is no experiment 'demoo'; did you mean 'demo'?"),
        (
            "backbone=xyz",
            "there is no backbone 'xyz'; there are none, resnet, shallow, small, timm, vgg, vit",
        ),
        ("logger=xyz", "there is no logger 'xyz'; there are csv, none, tensorboard, wandb"),
    ],
)
def test_what_does_not_exist_is_named_with_what_was_meant(override: str, complaint: str) -> None:
    problem = only_problem(override)
    assert problem.where == override
    assert complaint in problem.what


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("seed=-1", "must be a whole number from 0 to 4294967295, not -1"),
        ("seed=1.5", "must be a whole number from 0 to 4294967295, not 1.5"),
        ("seed=-1x", "must be a whole number from 0 to 4294967295, not '-1x'"),
        ("seed=true", "must be a whole number from 0 to 4294967295, not true"),
        ("seed=null", "must be a whole number from 0 to 4294967295, not null"),
        ("++seed=-1", "must be a whole number from 0 to 4294967295, not -1"),
        ("optimizer.lr=abc", "must be a number above 0, not 'abc'"),
        ("optimizer.lr=nan", "must be a number above 0, not nan"),
        ("test=maybe", "must be true or false, not 'maybe'"),
        ("data.batch_size=0", "must be a whole number of at least 1, not 0"),
        ("data.batch_size=null", "must be a whole number of at least 1, not null"),
        ("trainer.max_epochs=0", "must be a whole number of at least 1, not 0"),
        ("trainer.max_epochs='3'", "must be a whole number of at least 1, not '3'"),
        ("model.lstm.depth=0", "must be a whole number of at least 1, not 0"),
        ("model.lstm.pooling=min", "must be one of last, mean, max, attention, not 'min'"),
        ("model.backbone.widths=[4,0]", "each a whole number of at least 1, not [4, 0]"),
        ("model.backbone.dropout=1", "must be a number at least 0 and below 1, not 1"),
        ("augmentation.flip=2", "must be a number at least 0 and at most 1, not 2"),
        ("optimizer.betas=[0.9]", "must be a list of 2 values"),
        ("trainer.limit_val_batches=0", "must be a whole number of batches of at least 1, or a"),
        ("paths.runs=null", "must be text, not null"),
    ],
)
def test_a_value_of_another_kind_or_range_is_refused(override: str, complaint: str) -> None:
    problem = only_problem(override)
    assert problem.where == override.split("=", maxsplit=1)[0].lstrip("+")
    assert complaint in problem.what


def test_devices_are_a_number_a_list_or_auto() -> None:
    problem = only_problem("trainer.devices=0")
    assert problem.where == "trainer.devices"
    for word in ("at least 1", "auto", "list", "not 0"):
        assert word in problem.what


def test_what_is_fine_is_taken() -> None:
    config = compose(
        "train",
        [
            "++seed=4294967295",
            "optimizer.lr=1e-3",
            "trainer.devices=[0,1]",
            "trainer.limit_train_batches=1",
            "data.workers=null",
            "name=null",
            "model.backbone={widths:[4,4,4,4]}",
        ],
    )
    assert config.seed == 4294967295
    assert config.trainer.devices == [0, 1]
    assert config.data.workers is None
    # The rest of the part stays.
    assert config.model.backbone.widths == [4, 4, 4, 4]
    assert config.model.backbone.dropout == 0.0


def test_a_part_is_not_set_by_its_key() -> None:
    problem = only_problem("model.backbone=vgg")
    assert "choose them by backbone=vgg or set model.backbone.widths" in problem.what


def test_inner_keys_of_a_mapping_are_checked() -> None:
    assert only_problem("model.backbone={widht:[4]}") == Problem(
        "model.backbone.widht",
        "there is no key 'model.backbone.widht'; did you mean 'model.backbone.widths'?",
    )
    assert only_problem("model.backbone={widths:[0]}").where == "model.backbone.widths"


def test_a_file_that_only_others_build_upon_is_no_choice() -> None:
    assert "there is no data '_loader'" in only_problem("data=_loader").what


def test_a_plus_before_an_existing_key_is_advised_against() -> None:
    assert only_problem("+seed=3").what == "'seed' exists already: leave out the +"


def test_nothing_can_be_taken_out() -> None:
    overrides = ["~seed", "~optimizer", "~optimizer.lr"]
    found = problems(*overrides)
    assert [problem.where for problem in found] == overrides
    assert all(problem.what.startswith("nothing can be taken out") for problem in found)


def test_a_sweep_needs_multirun() -> None:
    overrides = ["seed=0,1", "trainer=gpu,cpu", "data.batch_size=range(1,3)"]
    found = problems(*overrides)
    assert [problem.where for problem in found] == overrides
    assert all("add -m to run each" in problem.what for problem in found)


@pytest.mark.parametrize("path", ["/a/epoch=3.ckpt", "runs/a=1,b=2/last.ckpt"])
def test_the_advice_on_quoting_works(path: str) -> None:
    advice = only_problem(f"ckpt_path={path}").what
    assert "needs two pairs of quotes" in advice
    (argument,) = shlex.split(advice[advice.index("'ckpt_path") :])  # as a shell would read it
    assert compose("train", [argument]).ckpt_path == path


def test_what_is_no_override_is_told_so() -> None:
    assert only_problem("junk").what == "is no override: write KEY=VALUE or GROUP=CHOICE"


def test_an_interpolation_of_nothing_is_refused() -> None:
    assert "nope" in only_problem("name=${nope}").what


def test_all_mistakes_are_reported_at_once() -> None:
    overrides = [
        "junk",
        "ckpt_path=/a=b",
        "optimizer=adm",
        "lr=0.1",
        "seed=0,1",
        "~test",
        "+name=x",
        "model.backbone=vgg",
        "data.batch_size=0",
        "trainer.max_epochs=x",
    ]
    found = problems(*overrides)
    assert {problem.where for problem in found} == {
        *overrides[:-2],
        "data.batch_size",
        "trainer.max_epochs",
    }
    with pytest.raises(ConfigError) as caught:
        compose("train", overrides)
    message = str(caught.value)
    assert message.startswith("10 problems in the configuration, nothing was run:\n")
    assert len(message.splitlines()) == 11
    assert all(problem.where in message and problem.what in message for problem in found)


def test_composing_again_starts_afresh() -> None:
    assert compose("train", ["data=synthetic"]).hydra.runtime.choices["data"] == "synthetic"
    assert compose("train", []).hydra.runtime.choices["data"] == "fer2013"


@pytest.mark.parametrize(
    ("overrides", "runs"),
    [
        ([], [[]]),
        (["seed=3"], [["seed=3"]]),
        (["seed=0,1,2"], [["seed=0"], ["seed=1"], ["seed=2"]]),
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


def test_a_bad_value_amid_a_sweep_is_found() -> None:
    found: list[Problem] = []
    for run in single_runs(["seed=0,1", "optimizer.lr=0.1,abc,0.3"]):
        try:
            compose("train", run)
        except ConfigError as error:
            found += error.problems
    assert found == [Problem("optimizer.lr", "must be a number above 0, not 'abc'")]


def test_a_sweep_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ConfigError, match="junk") as caught:
        single_runs(["junk", "seed=0,1", "name=a=b"])
    assert [problem.where for problem in caught.value.problems] == ["junk", "name=a=b"]


def test_a_value_that_is_handed_on_is_told_where_it_was_set() -> None:
    with pytest.raises(ConfigError) as caught:
        compose("train", ["data=folder", "data.size=abc", "data.fit=cut", "data.root=x"])
    assert [problem.where for problem in caught.value.problems] == ["data.size", "data.fit"]
    with pytest.raises(ConfigError) as caught:
        compose("train", ["data=folder", "data.source.size=abc"])
    assert [problem.where for problem in caught.value.problems] == ["data.source.size"]
