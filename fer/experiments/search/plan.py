"""What a search is made of, read from its configuration and checked before any trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from omegaconf import DictConfig, OmegaConf

from fer.config.compose import compose, config_dirs_of
from fer.config.issues import ConfigError, ConfigIssue
from fer.config.overrides import quoted
from fer.config.resume import differences
from fer.config.validate import check_training
from fer.core.io import why_not_writable, write_text

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

#: What no search may change: how a training is judged, and how it is run.
_NOT_SEARCHED: Final = (
    "test", "resume", "ckpt_path", "check_only", "data.protocol", "data.only_classes", "search",
    "hydra", "paths", "callbacks.checkpoint", "name", "logger",
)  # fmt: skip

#: What may differ between two starts of the same search.
_MAY_DIFFER: Final = ("search.trials", "search.jobs", "search.gpus", "search.restarts")


#: What a parameter can be, as Optuna's own storage keeps it.
Value = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that is searched.

    Attributes:
        name: as the search calls it.
        key: of the training's configuration, or a group.
        low: the least number.
        high: the largest one.
        step: from number to number; None where all between are tried.
        log: numbers are drawn on a logarithmic scale.
        choices: what is tried instead of numbers.
    """

    name: str
    key: str
    low: float | int | None = None
    high: float | int | None = None
    step: float | int | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()

    def is_integer(self) -> bool:
        """Return True if its numbers are integers."""
        given = [number for number in (self.low, self.high, self.step) if number is not None]
        return all(isinstance(number, int) for number in given)

    def ends(self) -> tuple[Value, ...]:
        """Return the values that must all be possible: the choices, or the ends of the range."""
        return self.choices or (self.low, self.high)

    def draw(self, trial: BaseTrial) -> None:
        """Draw it, or take what the trial has drawn of it before.

        Raises:
            ValueError: Optuna refuses the parameter; the message says why.
        """
        low, high = self.low or 0, self.high or 0
        if self.choices:
            trial.suggest_categorical(self.name, self.choices)
        elif self.is_integer():
            step = 1 if self.step is None else int(self.step)
            trial.suggest_int(self.name, int(low), int(high), step=step, log=self.log)
        else:
            trial.suggest_float(self.name, low, high, step=self.step, log=self.log)

    def override(self, value: Value) -> str:
        """Return a value as it is written on a command line.

        Example:
            >>> Parameter("rate", "optimizer.lr", 1e-5, 0.1).override(1e-5)
            'optimizer.lr=1e-05'
            >>> Parameter("mixup", "a.b", choices=(None, True)).override(None)
            'a.b=null'
        """
        if value is None:
            return f"{self.key}=null"
        return f"{self.key}={str(value).lower() if isinstance(value, bool) else value}"


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A search.

    Attributes:
        folder: where it lies.
        space: what is searched.
        overrides: what every trial's training gets besides.
        monitor: the metric of validation by which trials are compared.
        mode: whether more or less of it is better.
        options: the configuration's node ``search``, without the space.
        config_dirs: folders with configuration files of the user's own.
    """

    folder: Path
    space: tuple[Parameter, ...]
    overrides: tuple[str, ...]
    monitor: str
    mode: Literal["min", "max"]
    options: Mapping[str, Any]
    config_dirs: tuple[str, ...] = ()

    def trial_folder(self, number: int) -> Path:
        """Return the folder of a trial's run; its log and its lock lie beside it."""
        return self.folder / "trials" / f"{number:04d}"

    def command(self) -> list[str]:
        """Return what a training's command begins with, before its overrides."""
        folders = [text for folder in self.config_dirs for text in ("--config-dir", folder)]
        return ["-m", "fer.train", *folders]

    def arguments(self, values: Mapping[str, Value]) -> list[str]:
        """Return the overrides of a training with some values of the space."""
        return [*self.overrides, *(one.override(values[one.name]) for one in self.space)]


def plan_search(
    config: DictConfig, overrides: Sequence[str]
) -> tuple[SearchPlan | None, list[ConfigIssue]]:
    """Return the plan of a search, and what is wrong with it.

    Args:
        config: the composed configuration of the search.
        overrides: of the command line.
    """
    problems = _refusals(config)
    space: Any = OmegaConf.to_container(config.search.space, resolve=True)
    if not space:
        problems.append(
            ConfigIssue("empty_space", "search.space", "is empty: there is nothing to search")
        )
    parameters = []
    for name, spec in space.items():
        try:
            parameters.append(_parameter(name, spec))
        except ValueError as error:
            problems.append(ConfigIssue("bad_parameter", f"search.space.{name}", str(error)))
    if problems:
        return None, problems
    # Trials of one search stay together where they are logged.
    is_grouped = "group" in config.logger and config.logger.group is None
    group = [f"logger.group={quoted(Path(config.hydra.run.dir).name)}"] if is_grouped else []
    plan = SearchPlan(
        folder=Path(config.hydra.run.dir).absolute(),
        space=tuple(parameters),
        overrides=(*(text for text in overrides if not _is_own(text)), *group),
        monitor=config.callbacks.checkpoint.monitor,
        mode=config.callbacks.checkpoint.mode,
        options={key: value for key, value in config.search.items() if key != "space"},
        config_dirs=tuple(config_dirs_of(config)),
    )
    return plan, check_ends(plan)


def check_ends(plan: SearchPlan) -> list[ConfigIssue]:
    """Return what is wrong with trainings in which each end of each parameter occurs.

    Any combination may be tried, so these must be possible; they are composed all at a time, since
    one by one would take long.
    """
    problems: list[ConfigIssue] = []
    ends = {one.name: one.ends() for one in plan.space}
    for k in range(max(map(len, ends.values()), default=0)):
        line = plan.arguments({name: values[k % len(values)] for name, values in ends.items()})
        try:
            compose("train", [*line, "test=false"], plan.config_dirs, check_training)
        except ConfigError as error:
            problems += [problem for problem in error.issues if problem not in problems]
    return problems


def claim_folder(config: DictConfig, plan: SearchPlan) -> None:
    """Write the configuration to the search's folder, which is then for this search alone.

    Raises:
        ConfigError: the folder holds another search.
        OSError: it can't be written.
    """
    if (why := why_not_writable(plan.folder)) is not None:
        raise ConfigError([ConfigIssue("unusable_folder", "hydra.run.dir", why)])
    if different := differences(plan.folder, config, but=_MAY_DIFFER):
        what = (
            f"{plan.folder} holds another search ({'; '.join(different[:4])}): "
            "hydra.run.dir=FOLDER begins another"
        )
        raise ConfigError([ConfigIssue("another_search", "hydra.run.dir", what)])
    if not (plan.folder / "config.yaml").is_file():
        write_text(plan.folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))


def _refusals(config: DictConfig) -> list[ConfigIssue]:
    """Return which keys a search does not take."""
    problems = []
    if config.test is not False:
        problems.append(
            ConfigIssue(
                "test_split", "test", "a search never looks at the test split: leave it out"
            )
        )
    if config.data.get("protocol") != "official":
        what = "a search keeps to the official split, so that the test faces are left alone"
        problems.append(ConfigIssue("protocol", "data.protocol", what))
    problems += [
        ConfigIssue("always_resumes", key, "a search always resumes: leave it out")
        for key in ("resume", "ckpt_path")
        if config.get(key) is not None
    ]
    if config.check_only:
        problems.append(
            ConfigIssue(
                "always_checked", "check_only", "what can be checked always is: leave it out"
            )
        )
    if "checkpoint" not in config.callbacks:
        what = "the best trial is found by that of default: choose 'callbacks=[default,…]'"
        problems.append(ConfigIssue("needs_default_callbacks", "callbacks", what))
    elif not str(config.callbacks.checkpoint.monitor).startswith("val/"):
        what = "a search goes by validation: choose a metric whose name begins by val/"
        problems.append(ConfigIssue("not_validation", "callbacks.checkpoint.monitor", what))
    return problems


def _parameter(name: str, spec: Any) -> Parameter:
    """Return a parameter of the space.

    Raises:
        ValueError: it is not one.
    """
    from optuna.trial import FixedTrial

    if not isinstance(spec, Mapping) or not isinstance(spec.get("key"), str):
        raise ValueError("needs a key, as {key: optimizer.lr, low: 0.001, high: 0.1, log: true}")
    known = ("key", "low", "high", "step", "log", "choices")
    if unknown := [str(key) for key in spec if key not in known]:
        raise ValueError(f"has no {', '.join(unknown)}: {', '.join(known)} are known")
    given = {key: value for key, value in spec.items() if value is not None}
    key, choices = given["key"], given.get("choices")
    if any(key == other or key.startswith((f"{other}.", f"{other}/")) for other in _NOT_SEARCHED):
        raise ValueError(f"{key} is not a setting that can be searched")
    if choices is not None:
        if len(given) > 2:
            raise ValueError("has choices, or numbers from low to high, not both")
        if not (isinstance(choices, list) and choices) or any(
            isinstance(choice, list | Mapping) for choice in choices
        ):
            raise ValueError("choices is a list of single values; quote one that is a list: '[8]'")
        return Parameter(name, key, choices=tuple(choices))
    numbers = {"low": None, "high": None, "step": 1, **given}
    if not all(isinstance(numbers[name], int | float) for name in ("low", "high", "step")):
        raise ValueError("needs low and high, or choices; these, and step, are numbers")
    parameter = Parameter(name, **given)
    # Optuna says what is wrong with a range.
    parameter.draw(FixedTrial({name: parameter.low}))
    return parameter


def _is_own(override: str) -> bool:
    """Return True if an override is the search's own, and nothing of a training."""
    key = override.lstrip("+~").partition("=")[0]
    return key.split("/")[0].split(".")[0] in ("search", "hparams_search", "hydra", "test")
