"""What a run says about where its numbers came from."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from fer.core import provenance
from fer.core.provenance import describe


def described() -> dict[str, Any]:
    return describe(seed=3, data_fingerprint="abc", data_origin="made up")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def installed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that the package lies in a folder of its own."""
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "fer" / "core" / "provenance.py"))
    return tmp_path


def test_it_is_made_of_plain_containers() -> None:
    value = described()
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_seed_and_data_are_handed_through() -> None:
    value = described()
    assert value["seed"] == 3
    assert value["data"] == {"fingerprint": "abc", "origin": "made up"}


def test_the_time_is_now_in_utc() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    time = datetime.fromisoformat(described()["time"])
    assert time.utcoffset() is not None
    assert before <= time <= datetime.now(UTC)


def test_versions_are_those_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_PACKAGES", ("numpy", "pytest", "there-is-no-such-package"))
    assert described()["versions"] == {"numpy": version("numpy"), "pytest": version("pytest")}


def test_versions_name_what_numbers_depend_on() -> None:
    assert {"fer-framework", "torch", "lightning", "numpy"} <= set(described()["versions"])
    assert described()["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_command_can_be_pasted_into_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["model.backbone.widths=[4,4]", 'ckpt_path="a=b c"', "seed=1"]
    monkeypatch.setattr(sys, "argv", ["fer", *arguments])
    assert shlex.split(described()["command"])[-3:] == arguments


def test_the_machine_is_described() -> None:
    machine = described()["machine"]
    assert machine["cores"] >= 1
    assert all(machine[name] for name in ("system", "processor"))


def test_an_installed_package_has_no_commit(installed_in: Path) -> None:
    value = described()
    assert (value["commit"], value["dirty"]) == (None, None)


def test_a_checkout_has_a_commit_and_may_be_dirty(installed_in: Path) -> None:
    git(installed_in, "init", "--quiet")
    (installed_in / "a").write_text("a", encoding="utf-8")
    git(installed_in, "add", "a")
    git(installed_in, "commit", "--quiet", "--message", "a")
    value = described()
    assert value["commit"] == git(installed_in, "rev-parse", "HEAD").strip()
    assert value["dirty"] is False
    (installed_in / "b").write_text("b", encoding="utf-8")
    assert described()["dirty"] is True


def test_a_broken_checkout_has_no_commit(installed_in: Path) -> None:
    (installed_in / ".git").write_text("gitdir: nowhere", encoding="utf-8")
    value = described()
    assert (value["commit"], value["dirty"]) == (None, None)
