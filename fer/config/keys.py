"""Finding keys in a composed configuration, and the ones that may have been meant."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from fer.config.problems import nearest

#: What :func:`lookup` returns for a key that is not there.
MISSING: Final = object()


def lookup(tree: Any, key: str) -> Any:
    """Return the value of a dotted key, or :data:`MISSING`."""
    for part in key.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return MISSING
        tree = tree[part]
    return tree


def leaves(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys of all values, without those that begin with an underscore."""
    keys: list[str] = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            keys += leaves(value, f"{prefix}{name}.")
        elif not str(name).startswith("_"):
            keys.append(f"{prefix}{name}")
    return keys


def unknown_key(key: str, known: Mapping[str, Any]) -> str:
    """Say that a key does not exist and which one may have been meant."""
    every = leaves(known)
    *parents, leaf = key.split(".")
    inside = lookup(known, ".".join(parents)) if parents else known
    if isinstance(inside, Mapping) and (near := nearest(leaf, inside)):
        if parents:
            near = near.replace("'", f"'{'.'.join(parents)}.", 1)
        return f"there is no key {key!r}{near}"
    same = [other for other in every if other.rpartition(".")[2] == leaf]
    if same:
        return f"there is no key {key!r}; did you mean {' or '.join(map(repr, same[:3]))}?"
    by_leaf = {other.rpartition(".")[2]: other for other in every}
    alike = get_close_matches(leaf, by_leaf, n=1, cutoff=0.65)
    hint = f"; did you mean {by_leaf[alike[0]]!r}?" if alike else ""
    return f"there is no key {key!r}{hint}"
