"""Launchers that are not installed are told with the extra that brings them."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from fer.config.plugins import EXTRAS, missing_plugin


class Nothing:
    """A configuration loader of a Hydra without plugins."""

    def get_group_options(self, group: str) -> list[str]:
        return ["basic"]


def complaint(monkeypatch: pytest.MonkeyPatch, text: str) -> str | None:
    hydra: Any = GlobalHydra.instance()
    monkeypatch.setattr(type(hydra), "config_loader", lambda _: Nothing())
    problems = missing_plugin(OverridesParser.create().parse_override(text))
    return problems[0].what if problems else None


@pytest.mark.parametrize(("launcher", "extra"), EXTRAS.items())
def test_a_missing_launcher_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, launcher: str, extra: str
) -> None:
    told = complaint(monkeypatch, f"hydra/launcher={launcher}")
    assert told is not None
    assert f".[train,{extra}]" in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hydra/launcher=joblab", "did you mean 'joblib'"),
        ("hydra/launcher=kubernetes", "there are basic, joblib, ray, submitit_local"),
        ("hydra/sweeper=optuna", "python -m fer.search"),
    ],
)
def test_what_no_extra_brings(monkeypatch: pytest.MonkeyPatch, text: str, words: str) -> None:
    assert words in (complaint(monkeypatch, text) or "")


@pytest.mark.parametrize("text", ["hydra/launcher=basic", "hydra.launcher.n_jobs=2", "seed=1"])
def test_what_is_there_is_fine(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert complaint(monkeypatch, text) is None
