"""A search's configuration becomes its plan, or is refused with all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from fer.config.compose import compose, conf_folder
from fer.config.issues import ConfigError
from fer.experiments.search import plan as plans
from fer.experiments.search.plan import SearchPlan, claim_folder, plan_search

pytest.importorskip("optuna", reason="the extra search is not installed")

SPACES = sorted(path.stem for path in (conf_folder() / "hparams_search").glob("*.yaml"))


@pytest.fixture(autouse=True)
def unchecked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the slow part where it is not what is tested."""
    if "composed" not in request.fixturenames:
        monkeypatch.setattr(plans, "check_ends", lambda plan: [])


@pytest.fixture
def composed() -> None:
    """Ask for the slow part."""


def planned(*overrides: str, searchpath: tuple[str, ...] = ()) -> SearchPlan:
    config = compose("search", ["data=synthetic", *overrides], searchpath)
    plan, problems = plan_search(config, ["data=synthetic", *overrides])
    if problems:
        raise ConfigError(problems)
    assert plan is not None
    return plan


def wrong_keys(*overrides: str) -> set[str]:
    with pytest.raises(ConfigError) as caught:
        planned(*overrides)
    return {one.key for one in caught.value.issues}


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_every_value_of_every_space_is_possible(space: str, composed: None) -> None:
    plan = planned(f"hparams_search={space}", "trainer=cpu")
    assert plan.overrides == ("data=synthetic", "trainer=cpu")
    assert (plan.monitor, plan.mode, plan.folder.name) == ("val/acc", "max", space)


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
    plan = planned("hparams_search=mine", searchpath=(str(tmp_path),))
    assert plan.command() == ["-m", "fer.train", "--config-dir", str(tmp_path)]
    (one,) = plan.space
    assert one.override(16) == "model.lstm.units=16"


@pytest.mark.parametrize(
    "override",
    [
        "test=true", "data.protocol=train_on_test", "data.protocol=resplit", "resume=auto",
        "ckpt_path=a.ckpt", "check_only=true", "callbacks.checkpoint.monitor=test/acc",
        "callbacks.checkpoint.monitor=train/loss", "search.trials=0", "search.sampler=grid",
        "optimizer.lr=abc",
    ],
)  # fmt: skip
def test_keys_that_a_search_does_not_take(override: str) -> None:
    key = override.partition("=")[0]
    assert {where.partition("=")[0] for where in wrong_keys(override)} == {key}


@pytest.fixture(scope="module")
def config() -> DictConfig:
    config = compose("search", ["data=synthetic"])
    OmegaConf.set_struct(config, False)
    return config


@pytest.mark.parametrize(
    "change",
    [
        "rate.low=1.0", "rate.low=-1.0", "rate.high=abc", "rate.step=0.1", "rate.choices=[1]",
        "rate.key=test", "rate.key=data.protocol", "rate.hi=1", "dropout.step=0",
        "dropout.step=abc", "smoothing.choices=[]", "smoothing.choices=[[1]]",
    ],
)  # fmt: skip
def test_what_is_not_a_parameter(change: str, config: DictConfig) -> None:
    _, problems = plan_search(
        OmegaConf.merge(config, OmegaConf.from_dotlist([f"search.space.{change}"])), []
    )
    assert [one.key for one in problems] == [f"search.space.{change.partition('.')[0]}"]


def test_every_end_of_the_space_is_checked(composed: None) -> None:
    keys = wrong_keys(
        "search.space.rate.key=optimizer.rate",
        "search.space.smoothing.choices=[0.1,2.0]",
    )
    assert "loss.label_smoothing" in keys
    assert any(key.startswith("optimizer.rate=") for key in keys)
    # Ranges of constructors are checked once all else is right.
    assert wrong_keys("search.space.dropout.high=1.5") == {"model.head.dropout"}


@pytest.mark.slow
def test_another_search_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    def start(*overrides: str) -> None:
        line = ["data=synthetic", f"hydra.run.dir={tmp_path / 'here'}", *overrides]
        config = compose("search", line)
        plan, _ = plan_search(config, line)
        assert plan is not None
        # As the command's task gets it.
        own = [str(key) for key in config if key != "hydra"]
        claim_folder(OmegaConf.masked_copy(config, own), plan)

    start()
    start("search.trials=50", "search.jobs=2", "logger=none")
    for other in ("optimizer.lr=0.5", "search.space.rate.high=0.5"):
        with pytest.raises(ConfigError, match=rf"holds another search .*{other.split('=')[0]} was"):
            start(other)
