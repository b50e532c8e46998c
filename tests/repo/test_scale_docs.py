"""The commands of docs/scale.md: those that two cores can run are run, the others are checked."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fer.config.compose import compose, single_runs
from fer.config.distributed import process_issues
from fer.config.validate import check_training
from tests.support.train_command import Train, child_environment, run_process
from tests.support.wheel import ROOT

PAGE = ROOT / "docs" / "scale.md"

#: What is no command of ours; each was looked at.
OTHERS = (
    "#", "first=", "export ", "sbatch ", "wandb sweep sweeps/rate.yaml", "wandb agent ENTITY/",
    "wandb sync runs/",
)  # fmt: skip

#: Launchers whose plugins may be missing, and their own options.
PLUGIN = ("hydra/launcher=", "hydra.launcher.", "+hydra.launcher.")


@dataclass(frozen=True)
class Command:
    """A line of the page, and what its output holds where it is to be run."""

    words: tuple[str, ...]
    expected: str | None

    @property
    def module(self) -> str:
        return self.words[self.words.index("-m") + 1]

    @property
    def arguments(self) -> list[str]:
        """The arguments of the module."""
        return list(self.words[self.words.index(self.module) + 1 :])

    @property
    def overrides(self) -> list[str]:
        return [text for text in self.arguments if text != "-m" and not text.startswith(PLUGIN)]


def commands() -> Iterator[Command]:
    text = PAGE.read_text(encoding="utf-8")
    for expected, block in re.findall(
        r"(?:<!-- runs: (.*?) -->\n)?```bash\n(.*?)```", text, re.DOTALL
    ):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith(OTHERS):
                yield Command(tuple(shlex.split(line, comments=True)), expected or None)


COMMANDS = list(commands())
RUN = [command for command in COMMANDS if command.expected is not None]


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 15
    assert len(RUN) >= 6
    assert {command.module for command in COMMANDS} == {"fer.train", "fer.search"}
    starts = {word for command in COMMANDS for word in command.words[:1]}
    assert starts == {"python", "torchrun", "srun"}


def test_files_that_the_page_names_are_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in re.findall(r"\bsweeps/(\w+\.yaml)|^\| `(\w+\.yaml)`", text, re.MULTILINE):
        assert (ROOT / "sweeps" / "".join(name)).is_file(), name


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: " ".join(one.words))
def test_every_command_passes_the_check(command: Command) -> None:
    name = command.module.removeprefix("fer.")
    for run in single_runs(command.overrides):
        config = compose(name, run, check=check_training if name == "train" else None)
        if name == "train":
            config.check_only = True
        assert process_issues(config, run, multirun=False) == [] or name != "train"
    if command.words[0] in ("torchrun", "srun"):
        assert any(text.startswith("hydra.run.dir=") for text in command.overrides)
        given = dict(zip(command.words, command.words[1:], strict=False))
        nodes = given.get("--nnodes", "1").replace("$SLURM_JOB_NUM_NODES", "2")
        assert int(nodes) == config.trainer.num_nodes
        assert int(given["--nproc-per-node"]) == config.trainer.devices


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [one for one in COMMANDS if one.expected is None and one.module == "fer.train"],
    ids=lambda one: " ".join(one.words),
)
def test_what_can_not_run_here_passes_check_only(
    train: Train, elsewhere: Path, command: Command
) -> None:
    """In this process, on faces that need no files."""
    plugin = [text for text in command.arguments if text.startswith(PLUGIN)]
    if "-m" in command.arguments and "hydra/launcher=ray" in plugin:
        pytest.importorskip(
            "hydra_plugins.hydra_ray_launcher", reason="the extra launcher-ray is not installed"
        )
    answer = train(*command.arguments, "data=synthetic", "check_only=true")
    assert answer.code == 0, answer
    assert "configuration checked, nothing was run" in answer.out
    assert not list(elsewhere.rglob("provenance.json"))


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN, ids=lambda one: " ".join(one.words))
def test_what_two_cores_can_run_does(command: Command, tmp_path: Path) -> None:
    starts = {
        "python": (sys.executable,),
        "torchrun": (sys.executable, "-m", "torch.distributed.run"),
    }
    # On few faces, whose drawing would take longer than all else.
    few = [
        "data.source.train=70",
        "data.source.val=35",
        "data.source.test=35",
        "model.lstm.units=8",
    ]
    start = (*starts[command.words[0]], *command.words[1:])
    answer = run_process(tmp_path, child_environment(tmp_path), *few, start=start)
    assert answer.code == 0, answer
    assert re.search(command.expected or "", answer.out, re.DOTALL), answer
