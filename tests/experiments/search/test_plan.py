"""A search's configuration becomes its plan, or is refused with all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fer.config.compose import compose
from fer.config.location import conf_folder
from fer.config.problems import ConfigError
from fer.experiments.search import Plan, planner
from fer.experiments.search.planner import Planner, begin

SPACES = sorted(path.stem for path in (conf_folder() / "hparams_search").glob("*.yaml"))


@pytest.fixture(autouse=True)
def unchecked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the slow part where it is not what is tested."""
    if "composed" not in request.fixturenames:
        monkeypatch.setattr(planner, "_misfits", lambda plan: [])


@pytest.fixture
def composed() -> None:
    """Ask for the slow part."""


def planned(*overrides: str) -> Plan:
    made = Planner()
    compose("search", ["data=synthetic", *overrides], check=made.check)
    assert made.plan is not None
    return made.plan


def problems(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        planned(*overrides)
    return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_every_space_is_one(space: str, composed: None) -> None:
    plan = planned(f"hparams_search={space}", "trainer=cpu")
    assert plan.space
    assert plan.overrides == ("data=synthetic", "trainer=cpu")
    assert (plan.monitor, plan.mode) == ("val/acc", "max")
    assert plan.folder.name == space


def test_a_range_can_be_moved() -> None:
    plan = planned("search.space.rate.high=0.5", "search.trials=3", "hydra.run.dir=here")
    rate = next(one for one in plan.space if one.name == "rate")
    assert (rate.low, rate.high, rate.log) == (0.0001, 0.5, True)
    assert plan.options["trials"] == 3
    assert plan.overrides == ("data=synthetic",)
    assert plan.folder.name == "here"


def test_trials_share_a_group_where_they_are_logged() -> None:
    assert 'logger.group="rate"' in planned("logger=wandb").overrides
    assert planned("logger=wandb", "logger.group=mine").overrides[-1] == "logger.group=mine"


def test_a_space_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "hparams_search").mkdir()
    text = "# @package search.space\nunits: {key: model.lstm.units, low: 8, high: 32, step: 8}\n"
    (tmp_path / "hparams_search" / "mine.yaml").write_text(text)
    made = Planner()
    compose("search", ["data=synthetic", "hparams_search=mine"], [str(tmp_path)], made.check)
    assert made.plan is not None
    assert made.plan.command() == ["-m", "fer.train", "--config-dir", str(tmp_path)]
    (one,) = made.plan.space
    assert one.override(16) == "model.lstm.units=16"


def test_the_test_split_is_out_of_reach() -> None:
    assert "never looks at the test split" in problems("test=true")
    for protocol in ("train_on_test", "resplit"):
        assert "the test faces are left alone" in problems(f"data.protocol={protocol}")
    assert "name begins by val/" in problems("callbacks.checkpoint.monitor=test/acc")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("resume=auto", "always goes on"),
        ("ckpt_path=a.ckpt", "always goes on"),
        ("check_only=true", "leave it out"),
        ("callbacks.checkpoint.monitor=train/loss", "name begins by val/"),
        ("search.trials=0", "must be a whole number of at least 1"),
        ("search.sampler=grid", "must be one of tpe, random"),
        ("search.space.rate.low=1.0", "low must be below high"),
        ("search.space.rate.low=-1.0", "low above 0"),
        ("search.space.rate.key=test", "is no setting that can be searched"),
        ("search.space.rate.key=data.protocol", "is no setting that can be searched"),
        ("search.space.smoothing.choices=[]", "is a list of single values"),
        ("optimizer.lr=abc", "must be a number"),
        ("hparams_search=rates", "there is no hparams_search 'rates'"),
    ],
)
def test_what_is_refused(override: str, words: str) -> None:
    assert words in problems(override)


def test_every_end_of_the_space_is_checked(composed: None) -> None:
    told = problems(
        "search.space.rate.key=optimizer.rate",
        "search.space.dropout.high=1.5",
        "search.space.smoothing.choices=[0.1,2.0]",
    )
    assert "no key 'optimizer.rate'" in told
    assert "model.head.dropout" in told
    assert "loss.label_smoothing" in told


@pytest.mark.slow
def test_another_search_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    place = f"hydra.run.dir={tmp_path / 'here'}"
    made = Planner()

    def start(*overrides: str) -> None:
        line = ["data=synthetic", place, *overrides]
        config = compose("search", line, check=made.check)
        assert made.plan is not None
        # As the command's task gets it.
        own = [str(key) for key in config if key != "hydra"]
        begin(OmegaConf.masked_copy(config, own), made.plan)

    start()
    start("search.trials=50", "search.jobs=2", "logger=none")
    with pytest.raises(ConfigError, match=r"holds another search .*optimizer\.lr was"):
        start("optimizer.lr=0.5")
    with pytest.raises(ConfigError, match=r"holds another search .*search\.space\.rate\.high was"):
        start("search.space.rate.high=0.5")
