"""What the YAML files of ``conf/`` offer, so that a new file is tested without another line."""

from __future__ import annotations

from functools import cache
from typing import Any

from omegaconf import OmegaConf

from fer.config.compose import compose, conf_folder


def options(group: str) -> list[str]:
    """Return the choices of a configuration group that describe a part."""
    names = (path.stem for path in (conf_folder() / group).glob("*.yaml"))
    return sorted(name for name in names if name != "none" and not name.startswith("_"))


@cache
def _composed(*overrides: str) -> dict[str, Any]:
    node: Any = OmegaConf.to_container(compose("train", ["data=synthetic", *overrides]))
    del node["hydra"]
    resolved: Any = OmegaConf.to_container(OmegaConf.create(node), resolve=True)
    return dict(resolved)


def composed(*overrides: str) -> dict[str, Any]:
    """Return the configuration of ``python -m fer.train`` with overrides, as plain containers."""
    # The cached value is shared: whoever changes a spec must change a copy.
    return _copy(_composed(*overrides))


def _copy(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _copy(value) for key, value in node.items()}
    return [_copy(value) for value in node] if isinstance(node, list) else node
