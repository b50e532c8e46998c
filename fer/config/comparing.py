"""A composed configuration held against what the chosen files define."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fer.config.keys import MISSING, leaves, lookup, unknown_key
from fer.config.problems import Problem
from fer.config.rules import rule_for

#: Groups of which several files may be chosen: any of their keys may be there or not.
LISTED: Final = ("callbacks",)


def compare(config: DictConfig, known: Mapping[str, Any]) -> list[Problem]:
    """Check every value of the whole configuration."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    with open_dict(own):
        try:
            plain: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            return [Problem("composition", summary(error))]
    found: list[Problem] = []
    compare_node("", plain, known, known, found)
    raw: Any = OmegaConf.to_container(own, resolve=False)
    # What is only handed on is wrong where it was set.
    problems = [problem for problem in found if not _is_handed_on(lookup(raw, problem.where))]
    problems += [
        Problem(key, "is needed and is missing")
        for key in leaves(known)
        if lookup(plain, key) is MISSING and key.split(".")[0] not in LISTED
    ]
    return problems


def _is_handed_on(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\$\{[\w.]+\}", value) is not None


def compare_node(
    prefix: str,
    node: Mapping[str, Any],
    default: Mapping[str, Any],
    known: Mapping[str, Any],
    problems: list[Problem],
) -> None:
    """Check the values below a key, adding what is wrong to ``problems``.

    Args:
        prefix: the dotted key with a dot behind it; empty for the whole.
        node: the values.
        default: what the chosen files have there.
        known: all that they have, for suggestions.
        problems: what was found wrong so far.
    """
    for name, value in node.items():
        key = f"{prefix}{name}"
        if name not in default:
            problems.append(Problem(key, unknown_key(key, known)))
        elif isinstance(default[name], Mapping) and isinstance(value, Mapping):
            compare_node(f"{key}.", value, default[name], known, problems)
        elif complaint := rule_for(key, default[name]).complaint(value):
            problems.append(Problem(key, complaint))


def summary(error: Exception) -> str:
    """Return the message without OmegaConf's notes on where in its object the error arose."""
    lines = (line.strip().rstrip(".") for line in str(error).splitlines())
    return ". ".join(
        line for line in lines if line and not line.startswith(("full_key", "object_"))
    )
