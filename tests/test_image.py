"""The Dockerfile, as far as it can be checked without an engine: the host builds it."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
import yaml

from fer.cli import main as cli
from tests.support.wheel import ROOT

LINES = [
    line.strip()
    for line in re.sub(
        r"\\\n\s*",
        "",
        re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE),
    ).splitlines()
    if line.strip()
]


def texts(name: str) -> list[str]:
    """Return what follows each instruction of that name."""
    return [line.partition(" ")[2] for line in LINES if line.partition(" ")[0] == name]


def copied() -> set[str]:
    """Return what is copied from the checkout."""
    return {
        source
        for text in texts("COPY")
        if "--from=" not in text
        for source in [word for word in text.split() if not word.startswith("--")][:-1]
    }


def test_the_image_is_as_it_should_be() -> None:
    for base in texts("FROM"):
        assert re.match(r"python:3\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?( |$)", base), base
    (user,) = texts("USER")
    assert user not in ("root", "0")
    assert user in " ".join(texts("RUN")), "the user is made"
    assert texts("ENTRYPOINT") == ['["fer"]']
    assert texts("HEALTHCHECK")
    assert texts("LABEL")
    for text in texts("RUN"):
        assert not re.search(r"apt-get (?!.*rm -rf /var/lib/apt)", text), "it leaves its lists"
    assert not re.search(r"(KEY|TOKEN|PASSWORD|SECRET)=", " ".join(texts("ENV")))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.search(r"EXTRAS=(\S+)", " ".join(LINES))
    assert extras is not None
    assert set(extras[1].split(",")) <= {*project["optional-dependencies"]} - {"train", "dev"}


def test_what_is_copied_is_sent_to_the_builder() -> None:
    """And nothing that a build of the wheel needs is missing there."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    assert copied() == {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"}
    needed |= set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    assert needed == copied()
    assert all((ROOT / source).exists() for source in needed)


def test_the_workflow_builds_it() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/image.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["build"]["steps"]
    text = "\n".join(step.get("run", step.get("uses", "")) for step in steps)
    assert "docker build" in text
    assert "hadolint" in text
    assert workflow["permissions"] == {"contents": "read"}


def test_what_the_image_runs_by_default_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in (*texts("CMD"), *texts("HEALTHCHECK")):
        words = json.loads(text[text.index("[") :])
        monkeypatch.setattr("sys.argv", ["fer", *[word for word in words if word != "fer"]])
        assert cli() == 0
        assert capsys.readouterr().out
