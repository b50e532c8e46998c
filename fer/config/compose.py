"""From a command line to a checked configuration, without importing torch.

Hydra stops at the first mistake, and accepts any value for an untyped key. Here every override is
looked at by itself first, so that all mistakes are reported at once, and the whole configuration is
then compared with what the chosen files define.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fer.config.comparing import LISTED, compare, compare_node, summary
from fer.config.keys import MISSING, lookup, unknown_key
from fer.config.location import conf_folder, groups_of
from fer.config.plugins import missing_plugin
from fer.config.problems import ConfigError, Problem, nearest
from fer.config.shorthand import expand_home, spelled_out

#: A command's own check of its composed configuration and the overrides that it comes from.
Check = Callable[[DictConfig, Sequence[str]], list[Problem]]

#: Groups whose files only change what other groups define: they add no keys of their own.
_CHANGE_ONLY: Final = ("experiment", "debug")


@dataclass(slots=True)
class _Line:
    """The overrides of one run, sorted by what they are."""

    groups: list[Override] = field(default_factory=list)
    values: list[Override] = field(default_factory=list)
    hydra: list[Override] = field(default_factory=list)


def compose(
    name: str,
    overrides: Sequence[str],
    searchpath: Sequence[str] = (),
    check: Check | None = None,
    at_home: dict[str, str] | None = None,
) -> DictConfig:
    """Compose ``conf/NAME.yaml`` with command-line overrides and check every key and value.

    Args:
        name: which command's configuration.
        overrides: Hydra overrides, one run's.
        searchpath: further folders with configuration files.
        check: finds what is wrong beyond keys and types; values may be of any type still.
        at_home: gets the values of files in which ``~`` was replaced, by their keys.

    Returns:
        The configuration, the ``hydra`` node included.

    Raises:
        ConfigError: with every problem that was found.
    """
    problems: list[Problem] = []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        extra = [f"hydra.searchpath=[{','.join(map(_quoted, searchpath))}]"] if searchpath else []
        line = _sort(name, [spelled_out(text) for text in overrides], problems, extra)
        known = _baseline(name, line, problems, extra)
        if known is None:
            raise ConfigError(problems)
        usable = [o for o in line.values if _value_fits(o, known, problems)]
        texts = [*extra, *(o.input_line or "" for o in [*line.groups, *line.hydra, *usable])]
        try:
            config = hydra_compose(name, texts, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException) as error:
            problems.append(Problem("composition", summary(error)))
            raise ConfigError(problems) from error
        changed = expand_home(config)
        if at_home is not None:
            at_home.update(changed)
        problems += compare(config, known)
        if check is not None:
            problems += check(config, overrides)
    if problems:
        raise ConfigError(problems)
    return config


def single_runs(overrides: Sequence[str]) -> list[list[str]]:
    """Return the runs to check for a multirun: each swept value once, the others at their first.

    Raises:
        ConfigError: an override can't be parsed.
    """
    problems: list[Problem] = []
    choices: list[list[str]] = []
    for text in overrides:
        override = _parse(text, problems)
        if override is None or not override.is_sweep_override():
            choices.append([text])
        elif isinstance(sweep := override.value(), IntervalSweep):
            choices.append([f"{override.key_or_group}={end}" for end in (sweep.start, sweep.end)])
        elif not isinstance(sweep, Glob):  # Hydra expands a glob to choices that exist.
            swept = override.sweep_string_iterator()
            choices.append([f"{override.get_key_element()}={value}" for value in swept])
    if problems:
        raise ConfigError(problems)
    first = [values[0] for values in choices]
    runs = [first]
    for position, values in enumerate(choices):
        runs += [[*first[:position], value, *first[position + 1 :]] for value in values[1:]]
    return runs


def _parse(text: str, problems: list[Problem]) -> Override | None:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException:
        key, equals, value = text.partition("=")
        if not equals:
            what = "is no override: write KEY=VALUE or GROUP=CHOICE"
        else:
            what = (
                "can't be read; a value that holds = , : brackets, quotes or spaces needs two "
                f"pairs of quotes: '{key}=\"{value.strip(chr(39) + chr(34))}\"'"
            )
        problems.append(Problem(text, what))
    return None


def _sort(
    name: str, overrides: Sequence[str], problems: list[Problem], extra: Sequence[str]
) -> _Line:
    """Sort overrides into groups, values and Hydra's own, reporting those that can't be used."""
    line = _Line()
    ours = groups_of(name)
    for text in overrides:
        override = _parse(text, problems)
        if override is None:
            continue
        key = override.key_or_group
        if override.is_sweep_override():
            problems.append(
                Problem(
                    text, "has several values: add -m to run each, or quote one that has commas"
                )
            )
        elif key.split("/")[0].split(".")[0] == "hydra":
            missing = missing_plugin(override)
            problems += missing
            line.hydra += [] if missing else [override]
        elif override.type == OverrideType.DEL:
            problems.append(
                Problem(text, "nothing can be taken out; some groups have a choice 'none'")
            )
        elif options := _options(key, extra):
            if key.split("/")[0] not in ours:
                what = f"{key!r} is no group of this command: {', '.join(ours)} are"
                problems.append(Problem(text, what))
                continue
            choices = override.value()
            names = choices if isinstance(choices, list) else [choices]
            if choices is None and key in _CHANGE_ONLY:
                continue  # What they are unless chosen.
            wrong = ["null" if n is None else n for n in names if str(n) not in options]
            for choice in wrong:
                hint = nearest(str(choice), options) or f"; there are {', '.join(options)}"
                problems.append(Problem(text, f"there is no {key} {str(choice)!r}{hint}"))
            if override.type in (OverrideType.ADD, OverrideType.FORCE_ADD):
                problems.append(Problem(text, f"{key!r} is a group: leave out the +"))
            elif not wrong:
                line.groups.append(override)
        else:
            line.values.append(override)
    return line


def _options(group: str, extra: Sequence[str]) -> list[str]:
    """Return the choices of a group, those in folders below it as FOLDER/CHOICE."""
    loader = GlobalHydra.instance().config_loader()
    files = loader.get_group_options(group, overrides=list(extra))
    folders = loader.get_group_options(group, ObjectType.GROUP, overrides=list(extra))
    options = [name for name in files if not name.startswith("_")]
    for folder in folders if files else ():
        options += [f"{folder}/{name}" for name in _options(f"{group}/{folder}", extra)]
    return options


def _baseline(
    name: str, line: _Line, problems: list[Problem], extra: Sequence[str]
) -> Mapping[str, Any] | None:
    """Return what the chosen files define by themselves: the keys that exist, and their types."""
    texts = [*extra, *(override.input_line or "" for override in line.groups)]
    try:
        composed = hydra_compose(name, texts, return_hydra_config=True)
        chosen = composed.hydra.runtime.choices
        # The groups that only change others are left out: a key they misspell would look defined.
        groups = [
            f"{group}={choice}"
            for group, choice in chosen.items()
            if choice is not None and not group.startswith("hydra/") and group not in _CHANGE_ONLY
        ]
        loader = GlobalHydra.instance().config_loader()
        # Hydra does not note the choices of a group of which several are chosen.
        for group in filter(composed.__contains__, LISTED):
            every = loader.get_group_options(group, overrides=list(extra))
            groups.append(f"{group}=[{','.join(every)}]")
        baseline = hydra_compose(name, [*extra, *groups])
        plain: Any = OmegaConf.to_container(baseline, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        problems.append(Problem("composition", summary(error)))
        return None
    return dict(plain)


def _value_fits(override: Override, known: Mapping[str, Any], problems: list[Problem]) -> bool:
    """Say whether an override names a key that exists, reporting it where not."""
    key, text = override.key_or_group, override.input_line or ""
    exists = lookup(known, key) is not MISSING
    if not exists:
        problems.append(Problem(text, unknown_key(key, known)))
        return False
    if override.type == OverrideType.ADD:
        problems.append(Problem(text, f"{key!r} exists already: leave out the +"))
        return False
    inside, value = lookup(known, key), override.value()
    if isinstance(inside, Mapping) and isinstance(value, Mapping):
        before = len(problems)
        compare_node(f"{key}.", {str(k): v for k, v in value.items()}, inside, known, problems)
        return len(problems) == before
    if isinstance(inside, Mapping):
        problems.append(Problem(text, _several(key, value, inside)))
        return False
    return True


def _several(key: str, value: Any, inside: Mapping[str, Any]) -> str:
    group = key.rpartition(".")[2]
    ways = []
    if GlobalHydra.instance().config_loader().get_group_options(group):
        ways.append(f"choose them by {group}={'CHOICE' if value is None else value}")
    if settable := [f"{key}.{name}" for name in inside if not name.startswith("_")]:
        ways.append(f"set {', '.join(settable)}")
    if key == "data.clean":
        ways.insert(0, f"{key}=FILE.csv applies a file of fixes")
    return f"{key!r} holds several values" + (f": {' or '.join(ways)}" if ways else "")


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "\\'") + "'"
