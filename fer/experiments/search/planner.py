"""From a search's configuration to its plan, with all that no trial could be said beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from fer.config.compose import compose
from fer.config.problems import ConfigError, Problem
from fer.config.processes import quoted
from fer.config.resume import differences
from fer.config.training import check_training
from fer.core.io import why_not_writable, write_text
from fer.experiments.search import Parameter, Plan

#: What a parameter may say.
_KEYS: Final = ("key", "low", "high", "step", "log", "choices")

#: What is no setting of a training that could be better or worse: what it is judged by, and how it
#: is run.
_NOT_SEARCHED: Final = (
    "test", "resume", "ckpt_path", "check_only", "data.protocol", "data.only_classes", "search",
    "hydra", "paths", "callbacks.checkpoint", "name", "logger",
)  # fmt: skip

#: What may differ between two starts of the same search.
_MAY_DIFFER: Final = ("search.trials", "search.jobs", "search.gpus", "search.restarts")


class Planner:
    """Makes the plan while the configuration is checked, so that mistakes in it are told too.

    Attributes:
        plan: of the search; made by :meth:`check`.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None

    def check(self, config: DictConfig, overrides: Sequence[str]) -> list[Problem]:
        """Make the plan; return what is wrong with it.

        Args:
            config: the composed configuration of the search.
            overrides: of the command line.
        """
        problems = _refusals(config)
        space: Any = OmegaConf.to_container(config.search.space, resolve=True)
        if not space:
            problems.append(Problem("search.space", "is empty: there is nothing to search"))
        parameters = [_parameter(name, spec, problems) for name, spec in space.items()]
        if problems:
            return problems
        shared = tuple(text for text in overrides if not _is_own(text))
        self.plan = Plan(
            folder=Path(config.hydra.run.dir).absolute(),
            space=tuple(one for one in parameters if one is not None),
            overrides=(*shared, *_names(config)),
            monitor=config.callbacks.checkpoint.monitor,
            mode=config.callbacks.checkpoint.mode,
            epochs=config.trainer.max_epochs,
            config_dirs=tuple(config.hydra.searchpath),
            options={key: value for key, value in config.search.items() if key != "space"},
        )
        return _misfits(self.plan)


def begin(config: DictConfig, plan: Plan) -> None:
    """Take down what is searched, so that nobody goes on with another search in its folder.

    Raises:
        ConfigError: the folder holds another search.
        OSError: it can't be written.
    """
    if (why := why_not_writable(plan.folder)) is not None:
        raise ConfigError([Problem("hydra.run.dir", why)])
    if different := differences(plan.folder, config, but=_MAY_DIFFER):
        what = (
            f"{plan.folder} holds another search ({'; '.join(different[:4])}): "
            "hydra.run.dir=FOLDER begins another"
        )
        raise ConfigError([Problem("hydra.run.dir", what)])
    if not (plan.folder / "config.yaml").is_file():
        write_text(plan.folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))


def _refusals(config: DictConfig) -> list[Problem]:
    """Say what a search does not do."""
    problems = []
    if config.test is not False:
        problems.append(Problem("test", "a search never looks at the test split: leave it out"))
    if config.data.get("protocol") != "official":
        what = "a search keeps to the official split, so that the test faces are left alone"
        problems.append(Problem("data.protocol", what))
    problems += [
        Problem(key, "a search always goes on: leave it out")
        for key in ("resume", "ckpt_path")
        if config.get(key) is not None
    ]
    if config.check_only:
        problems.append(Problem("check_only", "what can be checked always is: leave it out"))
    if "checkpoint" not in config.callbacks:
        what = "the best trial is found by that of default: choose 'callbacks=[default,…]'"
        problems.append(Problem("callbacks", what))
    elif not str(config.callbacks.checkpoint.monitor).startswith("val/"):
        what = "a search goes by validation: choose a metric whose name begins by val/"
        problems.append(Problem("callbacks.checkpoint.monitor", what))
    return problems


def _parameter(name: str, spec: Any, problems: list[Problem]) -> Parameter | None:
    """Read a parameter of the space, adding what is wrong with it to ``problems``."""
    where = f"search.space.{name}"
    before = len(problems)

    def wrong(what: str) -> None:
        problems.append(Problem(where, what))

    if not isinstance(spec, Mapping) or not isinstance(spec.get("key"), str):
        wrong("needs a key, as {key: optimizer.lr, low: 0.001, high: 0.1, log: true}")
        return None
    if unknown := [key for key in spec if key not in _KEYS]:
        wrong(f"has no {', '.join(map(str, unknown))}: {', '.join(_KEYS)} are known")
    key = spec["key"]
    if any(key == other or key.startswith((f"{other}.", f"{other}/")) for other in _NOT_SEARCHED):
        wrong(f"{key} is no setting that can be searched")
    choices = spec.get("choices")
    low, high = spec.get("low"), spec.get("high")
    if choices is not None:
        if any(spec.get(name) is not None for name in ("low", "high", "step", "log")):
            wrong("has choices, or numbers from low to high, not both")
        plain = (str, int, float, bool, type(None))
        if (
            not isinstance(choices, list)
            or not choices
            or not all(isinstance(c, plain) for c in choices)
        ):
            wrong("choices is a list of single values; quote one that is a list: '[8,16]'")
    elif not isinstance(low, int | float) or not isinstance(high, int | float):
        wrong("needs low and high, or choices")
    elif not low < high:
        wrong(f"low must be below high, not {low} and {high}")
    elif spec.get("log") and (low <= 0 or spec.get("step") is not None):
        wrong("log: true needs a low above 0, and no step")
    elif (step := spec.get("step")) is not None and not (
        isinstance(step, int | float) and step > 0
    ):
        wrong(f"step must be a number above 0, not {step}")
    if len(problems) > before:
        return None
    return Parameter(
        name,
        key,
        low,
        high,
        spec.get("step"),
        bool(spec.get("log")),
        tuple(choices or ()),
    )


def _misfits(plan: Plan) -> list[Problem]:
    """Compose trainings in which each end of each parameter occurs, all at a time.

    Any combination may be tried, so that these must be possible; one by one would take long.
    """
    problems: list[Problem] = []
    ends = {one.name: one.ends() for one in plan.space}
    for k in range(max(map(len, ends.values()), default=0)):
        line = plan.arguments({name: values[k % len(values)] for name, values in ends.items()})
        try:
            compose("train", [*line, "test=false"], plan.config_dirs, check_training)
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    return problems


def _is_own(override: str) -> bool:
    """Say whether an override is the search's own, and nothing of a training."""
    key = override.lstrip("+~").partition("=")[0]
    return key.split("/")[0].split(".")[0] in ("search", "hparams_search", "hydra", "test")


def _names(config: DictConfig) -> list[str]:
    """Return overrides that keep the trials of a search together where they are logged."""
    if "group" not in config.logger or config.logger.group is not None:
        return []
    return [f"logger.group={quoted(Path(config.hydra.run.dir).name)}"]
