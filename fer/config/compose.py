"""From a command line to a checked configuration, without importing torch where it is wrong.

Hydra stops at the first mistake, and accepts any value for an untyped key. Here every override is
looked at by itself, so that all mistakes are reported at once, and the whole configuration is
compared with what the chosen files define.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import yaml
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override, OverrideType
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, flag_override, open_dict
from omegaconf.errors import OmegaConfBaseException

from fer.config.issues import ConfigError, ConfigIssue, nearest
from fer.config.overrides import expand
from fer.config.schema import constructor_issues, value_issue
from fer.core.io import expand_user

#: A command's own check of its composed configuration and the overrides that it comes from.
Check = Callable[[DictConfig, Sequence[str]], list[ConfigIssue]]

#: Groups whose files only change what other groups define: they add no keys of their own.
_CHANGE_ONLY: Final = ("experiment", "debug")

#: Groups of which several files may be chosen: any of their keys may be there or not.
_LISTED: Final = ("callbacks",)

#: The extra of each launcher that does not come with Hydra.
LAUNCHER_EXTRAS: Final = {
    "joblib": "launchers",
    "submitit_local": "launchers",
    "submitit_slurm": "launchers",
    "ray": "launcher-ray",
}

_MISSING: Final = object()

#: Further folders of configuration files and when they last changed, for what is kept of them.
_Source = tuple[tuple[str, float], ...]


def conf_folder() -> Path:
    """Return the folder of YAML files: inside the package when installed, beside it in a checkout.

    Raises:
        FileNotFoundError: the installation is damaged.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf folder in or beside {package}: the installation is damaged")


@cache
def groups_of(name: str) -> list[str]:
    """Return the groups that the configuration ``conf/NAME.yaml`` chooses from."""
    text = (conf_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    lines = yaml.safe_load(text)["defaults"]
    groups = {group for line in lines if isinstance(line, dict) for group in line}
    # A configuration may begin with another one.
    bases = (line for line in lines if isinstance(line, str) and line != "_self_")
    return sorted(groups.union(*map(groups_of, bases)))


def hydra_of(name: str, config_dirs: Sequence[str] = ()) -> Hydra:
    """Make Hydra with the files of ``conf`` and of further folders; it is this process's now."""
    GlobalHydra.instance().clear()
    version.setbase("1.3")
    path = create_config_search_path(str(conf_folder()))
    for folder in config_dirs:
        further = f"file://{Path(folder).resolve()}"
        path.prepend("command-line", further, anchor=SearchPathQuery(provider="schema"))
    return Hydra.create_main_hydra2(task_name=name, config_search_path=path)


def config_dirs_of(config: DictConfig) -> list[str]:
    """Return the further folders that a configuration was composed from."""
    return [s.path for s in config.hydra.runtime.config_sources if s.provider == "command-line"]


def compose(
    name: str,
    overrides: Sequence[str],
    config_dirs: Sequence[str] = (),
    check: Check | None = None,
    *,
    constructors: bool = True,
) -> DictConfig:
    """Compose ``conf/NAME.yaml`` with command-line overrides and check every key and value.

    Args:
        name: which command's configuration.
        overrides: Hydra overrides, one run's.
        config_dirs: further folders with configuration files.
        check: finds what is wrong beyond keys and types; values may be of any type still.
        constructors: check ranges by the constructors too, once all else but ranges is right: this
            imports those whose values differ from the defaults.

    Returns:
        The configuration, the ``hydra`` node included.

    Raises:
        ConfigError: with every issue that was found.
    """
    issues: list[ConfigIssue] = []
    hydra_of(name, config_dirs)
    source = tuple((folder, _newest(folder)) for folder in config_dirs)
    groups, values = _sort(name, [expand(text) for text in overrides], source, issues)
    try:
        lines = tuple(o.input_line or "" for o in groups)
        config = deepcopy(_chosen(name, lines, source, str(Path.cwd())))
        known = _defined(name, _choices(config, source), source)
        usable = [o for o in values if _is_usable(o, known, issues)]
        _apply(config, usable)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(
            [*issues, ConfigIssue("composition", "composition", _summary(error))]
        ) from error
    expand_home(config)
    plain = _plain(config, issues)
    if plain is not None:
        issues += _compare(config, plain, known)
        if check is not None:
            issues += check(config, overrides)
        # Their import takes seconds, which wrong keys and types need not wait for.
        if constructors and all(issue.code == "out_of_range" for issue in issues):
            issues += range_issues(config, known)
    if issues:
        raise ConfigError(issues)
    return config


def range_issues(config: DictConfig, known: Mapping[str, Any] | None = None) -> list[ConfigIssue]:
    """Check values by the constructors that take them; reported where they were set."""
    found = {
        _origin(config, issue.key): issue
        for issue in reversed(constructor_issues(to_plain(config), known))
    }
    return [ConfigIssue(i.code, key, i.message) for key, i in reversed(found.items())]


def single_runs(overrides: Sequence[str]) -> list[list[str]]:
    """Return the runs to check for a multirun: each swept value once, the others at their first.

    Raises:
        ConfigError: an override can't be parsed.
    """
    issues: list[ConfigIssue] = []
    choices: list[list[str]] = []
    for text in overrides:
        override = _parse(text, issues)
        if override is None or not override.is_sweep_override():
            choices.append([text])
        elif isinstance(sweep := override.value(), IntervalSweep):
            choices.append([f"{override.key_or_group}={end}" for end in (sweep.start, sweep.end)])
        elif not isinstance(sweep, Glob):  # Hydra expands a glob to choices that exist.
            swept = override.sweep_string_iterator()
            choices.append([f"{override.get_key_element()}={value}" for value in swept])
    if issues:
        raise ConfigError(issues)
    first = [values[0] for values in choices]
    runs = [first]
    for position, values in enumerate(choices):
        runs += [[*first[:position], value, *first[position + 1 :]] for value in values[1:]]
    return runs


def lookup(tree: Any, key: str, default: Any = None) -> Any:
    """Return the value of a dotted key in nested mappings, or the default."""
    for part in key.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return default
        tree = tree[part]
    return tree


def leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return all values of nested mappings by their dotted keys."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= leaves(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def to_plain(config: DictConfig, *, resolve: bool = True) -> dict[str, Any]:
    """Return a configuration as plain containers, without the ``hydra`` node."""
    if resolve:
        values = ((str(key), config[key]) for key in config if key != "hydra")
        return {
            key: OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
            if OmegaConf.is_config(value)
            else value
            for key, value in values
        }
    plain: Any = OmegaConf.to_container(config, resolve=False)
    return {key: value for key, value in plain.items() if key != "hydra"}


# Overrides, one by one.


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


def _parse(text: str, issues: list[ConfigIssue]) -> Override | None:
    try:
        return _parser().parse_override(text)
    except HydraException:
        key, equals, value = text.partition("=")
        if not equals:
            what = "is no override: write KEY=VALUE or GROUP=CHOICE"
        else:
            what = (
                "can't be read; a value that holds = , : brackets, quotes or spaces needs two "
                f"pairs of quotes: '{key}=\"{value.strip(chr(39) + chr(34))}\"'"
            )
        issues.append(ConfigIssue("not_an_override", text, what))
    return None


def _sort(
    name: str, overrides: Sequence[str], source: _Source, issues: list[ConfigIssue]
) -> tuple[list[Override], list[Override]]:
    """Sort overrides into choices of groups and values, reporting those that can't be used."""
    groups: list[Override] = []
    values: list[Override] = []
    for text in overrides:
        override = _parse(text, issues)
        if override is None:
            continue
        key = override.key_or_group
        if override.is_sweep_override():
            what = "has several values: add -m to run each, or quote one that has commas"
            issues.append(ConfigIssue("several_values", text, what))
        elif key in ("hydra/launcher", "hydra/sweeper"):
            missing = _missing_plugin(override)
            issues += missing
            groups += [] if missing else [override]
        elif key.split("/")[0].split(".")[0] == "hydra":
            (groups if "/" in key or key == "hydra.searchpath" else values).append(override)
        elif override.type == OverrideType.DEL:
            what = "nothing can be taken out; some groups have a choice 'none'"
            issues.append(ConfigIssue("deletion", text, what))
        elif options := _options(key, source):
            # A group that only changes others is none unless chosen.
            is_none = override.value() is None and key in _CHANGE_ONLY
            wrong = [] if is_none else _wrong_choice(name, override, options)
            issues += wrong
            groups += [] if wrong or is_none else [override]
        else:
            values.append(override)
    return groups, values


@cache
def _options(group: str, source: _Source) -> list[str]:
    """Return the choices of a group, those in folders below it as FOLDER/CHOICE."""
    loader = GlobalHydra.instance().config_loader()
    files = loader.get_group_options(group)
    options = [name for name in files if not name.startswith("_")]
    for folder in loader.get_group_options(group, ObjectType.GROUP) if files else ():
        options += [f"{folder}/{name}" for name in _options(f"{group}/{folder}", source)]
    return options


def _wrong_choice(name: str, override: Override, options: Sequence[str]) -> list[ConfigIssue]:
    group, text = override.key_or_group, override.input_line or ""
    ours = groups_of(name)
    if group.split("/")[0] not in ours:
        what = f"{group!r} is no group of this command: {', '.join(ours)} are"
        return [ConfigIssue("unknown_group", text, what)]
    chosen = override.value()
    for choice in chosen if isinstance(chosen, list) else [chosen]:
        word = "null" if choice is None else str(choice)
        if word not in options:
            hint = nearest(word, options) or f"; there are {', '.join(options)}"
            return [ConfigIssue("unknown_choice", text, f"there is no {group} {word!r}{hint}")]
    if override.type in (OverrideType.ADD, OverrideType.FORCE_ADD):
        return [ConfigIssue("needless_plus", text, f"{group!r} is a group: leave out the +")]
    return []


def _missing_plugin(override: Override) -> list[ConfigIssue]:
    """Report a launcher or sweeper that is not installed or does not exist."""
    group, text, chosen = override.key_or_group, override.input_line or "", str(override.value())
    there = GlobalHydra.instance().config_loader().get_group_options(group)
    if chosen in there:
        return []
    if group == "hydra/sweeper":
        what = "searches are made by python -m fer.search (docs/scale.md)"
        return [ConfigIssue("unknown_choice", text, what)]
    if extra := LAUNCHER_EXTRAS.get(chosen):
        what = f"needs the extra {extra}: pip install '.[train,{extra}]'"
        return [ConfigIssue("missing_extra", text, what)]
    known = sorted({*there, *LAUNCHER_EXTRAS})
    hint = nearest(chosen, known) or f"; there are {', '.join(known)}"
    return [ConfigIssue("unknown_choice", text, f"there is no launcher {chosen!r}{hint}")]


def _is_usable(override: Override, known: Mapping[str, Any], issues: list[ConfigIssue]) -> bool:
    """Return True if an override sets a key that exists to a value, and report it where not."""
    key, text = override.key_or_group, override.input_line or ""
    if key.startswith("hydra."):
        return True
    inside, value = lookup(known, key, _MISSING), override.value()
    count = len(issues)
    if inside is _MISSING:
        issues.append(ConfigIssue("unknown_key", text, _unknown_key(key, known)))
    elif override.type == OverrideType.ADD:
        issues.append(
            ConfigIssue("needless_plus", text, f"{key!r} exists already: leave out the +")
        )
    elif isinstance(inside, Mapping) and isinstance(value, Mapping):
        issues += _wrong_values(f"{key}.", {str(k): v for k, v in value.items()}, inside, known)
    elif isinstance(inside, Mapping):
        issues.append(ConfigIssue("several_keys", text, _several_keys(key, value, inside)))
    return len(issues) == count


def _several_keys(key: str, value: Any, inside: Mapping[str, Any]) -> str:
    group = key.rpartition(".")[2]
    ways = []
    if GlobalHydra.instance().config_loader().get_group_options(group):
        ways.append(f"choose them by {group}={'CHOICE' if value is None else value}")
    if settable := [f"{key}.{name}" for name in inside if not name.startswith("_")]:
        ways.append(f"set {', '.join(settable)}")
    if key == "data.clean":
        ways.insert(0, f"{key}=FILE.csv applies a file of fixes")
    return f"{key!r} holds several values" + (f": {' or '.join(ways)}" if ways else "")


def _unknown_key(key: str, known: Mapping[str, Any]) -> str:
    """Say that a key does not exist and which one may have been meant."""
    by_leaf: dict[str, list[str]] = {}
    for other in leaves(known):
        by_leaf.setdefault(other.rpartition(".")[2], []).append(other)
    parent, _, leaf = key.rpartition(".")
    inside = lookup(known, parent) if parent else known
    said = f"there is no key {key!r}"
    if isinstance(inside, Mapping) and (near := nearest(leaf, inside)):
        return said + (near.replace("'", f"'{parent}.", 1) if parent else near)
    same = by_leaf.get(leaf) or [
        other
        for near in get_close_matches(leaf, by_leaf, n=1, cutoff=0.65)
        for other in by_leaf[near]
    ]
    return said + (f"; did you mean {' or '.join(map(repr, same[:3]))}?" if same else "")


# The whole configuration.


def _newest(folder: str) -> float:
    return max((file.stat().st_mtime_ns for file in Path(folder).rglob("*.yaml")), default=0)


@lru_cache(maxsize=64)
def _chosen(name: str, groups: tuple[str, ...], _source: _Source, _cwd: str) -> DictConfig:
    """Compose what the chosen files define, experiments included; to be copied before use."""
    hydra: Any = GlobalHydra.instance().hydra
    config: DictConfig = hydra.compose_config(name, [*groups], run_mode=RunMode.RUN)
    config.hydra.mode = RunMode.RUN
    return config


@lru_cache(maxsize=64)
def _defined(name: str, groups: tuple[str, ...], _source: _Source) -> Mapping[str, Any]:
    """Return the keys that exist, with their defaults, when these files are chosen.

    Groups that only change others are left out: a key they misspell would look defined.
    """
    hydra: Any = GlobalHydra.instance().hydra
    return to_plain(hydra.compose_config(name, [*groups], run_mode=RunMode.RUN))


def _choices(config: DictConfig, source: _Source) -> tuple[str, ...]:
    choices = [
        f"{group}={choice}"
        for group, choice in config.hydra.runtime.choices.items()
        if choice is not None and not group.startswith("hydra/") and group not in _CHANGE_ONLY
    ]
    # Hydra does not note the choices of a group of which several are chosen.
    return *choices, *(f"{g}=[{','.join(_options(g, source))}]" for g in _LISTED if g in config)


def _apply(config: DictConfig, overrides: Sequence[Override]) -> None:
    """Set the values of overrides, as Hydra does while it composes."""
    ConfigLoaderImpl._apply_overrides_to_config([*overrides], config)
    for override in overrides:
        node = config.hydra.overrides
        (node.hydra if override.is_hydra_override() else node.task).append(override.input_line)


def expand_home(config: DictConfig) -> None:
    """Put the user's home folder in place of ``~``, which files may have too."""
    with flag_override(config, "readonly", False):
        _expand_node(config, OmegaConf.to_container(config, resolve=False))


def _expand_node(node: Any, plain: Any) -> None:
    for key, value in plain.items() if isinstance(plain, dict) else enumerate(plain):
        if isinstance(value, dict | list):
            _expand_node(node[key], value)
        elif isinstance(value, str) and (path := expand_user(value)) != value:
            node[key] = path


def _plain(config: DictConfig, issues: list[ConfigIssue]) -> dict[str, Any] | None:
    with open_dict(config):
        try:
            return to_plain(config)
        except OmegaConfBaseException as error:
            issues.append(ConfigIssue("composition", "composition", _summary(error)))
            return None


def _compare(
    config: DictConfig, plain: Mapping[str, Any], known: Mapping[str, Any]
) -> list[ConfigIssue]:
    """Check every key and the type of every value."""
    # What another key hands on is checked there, by its own type.
    issues = [i for i in _wrong_values("", plain, known, known) if _origin(config, i.key) == i.key]
    return issues + [
        ConfigIssue("missing_key", key, "is needed and is missing")
        for key in leaves(known)
        if lookup(plain, key, _MISSING) is _MISSING
        and key.split(".")[0] not in _LISTED
        and not key.rpartition(".")[2].startswith("_")
    ]


def _wrong_values(
    prefix: str, node: Mapping[str, Any], default: Mapping[str, Any], known: Mapping[str, Any]
) -> list[ConfigIssue]:
    """Check the values below a key against their defaults."""
    issues = []
    for name, value in node.items():
        key = f"{prefix}{name}"
        if name not in default:
            issues.append(ConfigIssue("unknown_key", key, _unknown_key(key, known)))
        elif isinstance(default[name], Mapping) and isinstance(value, Mapping):
            issues += _wrong_values(f"{key}.", value, default[name], known)
        elif (issue := value_issue(key, value, default[name])) is not None:
            issues.append(issue)
    return issues


def _origin(config: DictConfig, key: str) -> str:
    """Return the key that a value is handed on from, or else its own."""
    value = lookup(to_plain(config, resolve=False), key)
    handed_on = re.fullmatch(r"\$\{([\w.]+)\}", value) if isinstance(value, str) else None
    return handed_on[1] if handed_on else key


def _summary(error: Exception) -> str:
    """Return the message without OmegaConf's notes on where in its object the error arose."""
    lines = (line.strip().rstrip(".") for line in str(error).splitlines())
    return ". ".join(
        line for line in lines if line and not line.startswith(("full_key", "object_"))
    )
