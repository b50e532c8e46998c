"""The Dockerfile, as far as it can be held without an engine: the repository's host builds it."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from fer.cli import main as cli
from tests.support.wheel import ROOT

INSTRUCTIONS = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "HEALTHCHECK", "LABEL", "RUN", "USER",
    "WORKDIR",
}  # fmt: skip


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words without options, of either form."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return [word for word in self.text.split() if not word.startswith("--")]


def instructions(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [Instruction(name, rest.strip()) for name, _, rest in found]


def complaints(text: str) -> list[str]:
    """Return what is wrong with a Dockerfile of this project."""
    all_ = instructions(text)
    found = [f"{one.name} is no instruction" for one in all_ if one.name not in INSTRUCTIONS]
    starts = [i for i, one in enumerate(all_) if one.name == "FROM"]
    stages = [all_[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
    if not stages:
        return [*found, "there is no FROM"]
    for stage in stages:
        base = stage[0].words[0]
        if not re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", base):
            found.append(f"{base} is not pinned to a version of Python")
    for one in all_:
        if one.name == "COPY" and "--from=" not in one.text:
            found += [f"{source} is not there" for source in one.words[:-1]
                      if not (ROOT / source).exists()]  # fmt: skip
        if one.name == "RUN" and re.search(r"apt-get (?!.*rm -rf /var/lib/apt)", one.text):
            found.append("apt-get leaves its lists")
        if re.search(r"\[?\b(train|dev)\b[\],]", one.text):
            found.append(f"{one.text} installs what training needs")
        if one.name == "ENV" and re.search(r"(KEY|TOKEN|PASSWORD|SECRET)=", one.text):
            found.append("a secret would be in the image")
    last = stages[-1]
    by_name = {one.name: one for one in last}
    if not any(one.name == "USER" for one in last) or by_name["USER"].text in ("root", "0"):
        found.append("it runs as root")
    elif by_name["USER"].text not in " ".join(one.text for one in last if one.name == "RUN"):
        found.append("the user is not made")
    if "ENTRYPOINT" not in by_name or by_name["ENTRYPOINT"].text != '["fer"]':
        found.append("it does not run fer")
    found += [f"there is no {name}" for name in ("HEALTHCHECK", "LABEL") if name not in by_name]
    return found


TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_is_as_it_should_be() -> None:
    assert complaints(TEXT) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("python:3.12.11-slim-bookworm AS", "python:3-slim AS", "python:3-slim is not pinned"),
        ("python:3.12.11-slim-bookworm AS", "python:latest AS", "python:latest is not pinned"),
        ("USER 10001", "USER root", "it runs as root"),
        ("USER 10001", "", "it runs as root"),
        ("USER 10001", "USER nobody2", "the user is not made"),
        ("COPY conf conf", "COPY config conf", "config is not there"),
        ('ENTRYPOINT ["fer"]', 'ENTRYPOINT ["bash"]', "it does not run fer"),
        ("EXTRAS=score,serve", "EXTRAS=train,serve", "installs what training needs"),
        ("HEALTHCHECK", "#", "there is no HEALTHCHECK"),
        ("LABEL", "LABLE", "LABLE is no instruction"),
        ("WORKDIR /src", "RUN apt-get install x", "apt-get leaves its lists"),
    ],
)
def test_the_lint_finds_what_is_wrong(old: str, new: str, complaint: str) -> None:
    assert old in TEXT
    assert complaint in "\n".join(complaints(TEXT.replace(old, new, 1)))


def test_what_is_copied_is_sent_to_the_builder() -> None:
    """And nothing that a build of the wheel needs is missing there."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source
        for one in instructions(TEXT)
        if one.name == "COPY" and "--from=" not in one.text
        for source in one.words[:-1]
    }
    assert copied == sent
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"}
    needed |= set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    assert needed == copied
    assert not any(fnmatch("data", pattern) for pattern in sent)


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
    for one in instructions(TEXT):
        if one.name in ("CMD", "HEALTHCHECK"):
            words = json.loads(one.text[one.text.index("[") :])
            monkeypatch.setattr("sys.argv", ["fer", *[w for w in words if w != "fer"]])
            assert cli() == 0
            assert capsys.readouterr().out


def test_its_extras_are_known_or_to_come() -> None:
    project = tomllib.loads(Path(ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = re.search(r"EXTRAS=(\S+)", TEXT)
    assert extras is not None
    assert set(extras[1].split(",")) - set(project["project"]["optional-dependencies"]) <= {"serve"}
