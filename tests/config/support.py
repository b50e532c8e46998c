"""What is wrong with a command line, by code and key."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fer.config.compose import Check, compose
from fer.config.issues import ConfigError


def issues(
    *overrides: str, name: str = "train", check: Check | None = None, dirs: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Return code and key of each issue of overrides that can't be used."""
    with pytest.raises(ConfigError) as caught:
        compose(name, overrides, dirs, check)
    return [(issue.code, issue.key) for issue in caught.value.issues]
