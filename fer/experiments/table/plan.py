"""The rows of a table and their runs, each composed and checked before anything is run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from fer.config.compose import compose
from fer.config.issues import ConfigError, ConfigIssue, nearest
from fer.config.overrides import key_of, quoted
from fer.config.resume import differences
from fer.config.run_folder import BEST
from fer.config.schema import value_issue
from fer.config.validate import OF_MODEL, OF_TRAINING, reads_clips
from fer.experiments.runs import Job, Run, configurations

#: Keys whose rules must hold before rows can be made.
_OWN: Final = (
    "seeds", "kind", "only", "jobs", "test", "robustness", "robustness_faces", "pace", "fresh",
    "overrides",
)  # fmt: skip

#: The row that the others of a kind are compared with; ablations change one thing of theirs.
REFERENCES: Final[Mapping[str, str]] = {
    "families": "cnn",
    "ablations": "cnn_lstm",
    "clips": "clip_frames",
}

#: A training that is just long enough to measure its pace.
_SHORT: Final = (
    "trainer.max_epochs=1", "trainer.limit_train_batches=300", "trainer.limit_val_batches=2",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: as ``only`` names it.
        title: as the table names it.
        kind: ``families``, ``ablations`` or ``clips``.
        runs: one a seed; a conventional method, which draws nothing, has a single one.
        pace: a short training whose speed alone counts, or None.
    """

    name: str
    title: str
    kind: str
    runs: tuple[Run, ...]
    pace: Run | None = None


class TablePlan:
    """The rows; they are made while the configuration is checked, so that all mistakes are listed.

    Attributes:
        rows: those chosen; filled by :meth:`check`.
        left_out: rows that can't be trained on this data.
        titles: of all rows that there are, by kind and name.
        data: the choice of data that the table is about.
        overrides: of the command line.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.left_out: list[str] = []
        self.titles: dict[str, dict[str, str]] = {}
        self.data = ""
        self.overrides: tuple[str, ...] = ()

    def check(self, config: DictConfig, overrides: Sequence[str]) -> list[ConfigIssue]:
        """Make the rows; return what is wrong with them.

        Args:
            config: the composed configuration of the table.
            overrides: of the command line.
        """
        plain: Any = OmegaConf.to_container(config, resolve=False)
        if any(value_issue(key, plain[key], None) for key in _OWN):
            return []  # Reported already.
        every = {kind: plain[kind] for kind in REFERENCES}
        names = [name for rows in every.values() for name in rows]
        self.rows, self.left_out = [], []
        problems = [
            ConfigIssue("unknown_row", "only", f"there is no row {name!r}{nearest(name, names)}")
            for name in plain["only"] or ()
            if name not in names
        ]
        if len(set(plain["seeds"])) != len(plain["seeds"]):
            problems.append(ConfigIssue("seed_twice", "seeds", "names a seed twice"))
        if config.data.get("protocol") != "official":
            problems.append(
                ConfigIssue("protocol", "data.protocol", "a table is made on the official split")
            )
        if plain["robustness"] == "test":
            problems.append(
                ConfigIssue(
                    "validation_only", "robustness", "is measured on the validation split: true"
                )
            )
        if problems:
            return problems
        self.titles = {
            kind: {name: spec["title"] for name, spec in rows.items()}
            for kind, rows in every.items()
        }
        self.data = config.hydra.runtime.choices.data
        self.overrides = tuple(overrides)
        chosen = _chosen(plain, every)
        sys.stderr.write(f"checking {len(chosen)} rows\n")
        for kind, name in chosen:
            try:
                row = _RowBuilder(config, overrides, kind).row(name, every[kind][name])
            except ConfigError as error:
                problems += [
                    ConfigIssue(issue.code, f"row {name}: {issue.key}", issue.message)
                    for issue in error.issues
                ]
                continue
            if row is None:
                self.left_out.append(name)
            else:
                self.rows.append(row)
        if not self.rows and not problems:
            what = f"{self.data} has nothing that these rows read"
            what += ": choose kind=clips" * reads_clips(config)
            problems.append(ConfigIssue("no_rows", "data", what))
        return problems


def _chosen(plain: Mapping[str, Any], every: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return kind and name of the rows asked for, in the table's order."""
    kinds = list(every) if plain["kind"] == "all" or plain["only"] else [plain["kind"]]
    chosen = [(kind, name) for kind in kinds for name in every[kind]]
    if plain["only"]:
        return [(kind, name) for kind, name in chosen if name in plain["only"]]
    if plain["kind"] == "ablations":
        chosen.insert(0, ("families", REFERENCES["ablations"]))
    return chosen


class _RowBuilder:
    """Makes rows of a kind: on the table's data, or on clips of their own."""

    def __init__(self, config: DictConfig, overrides: Sequence[str], kind: str) -> None:
        self.config, self.kind = config, kind
        self.data: str = config.hydra.runtime.choices.data
        self.folder = Path(config.hydra.run.dir)
        budgets = config.clip_budget if kind == "clips" else config.budget
        budget: list[str] = list(budgets.get(self.data, budgets["default"]))
        given = [text for text in overrides if key_of(text).startswith(("data.", "paths."))]
        if kind == "clips" and not reads_clips(config):
            # Other data than the table's: overrides of that do not apply.
            given = [text for text in given if key_of(text).startswith("paths.")]
            usual = self.folder == Path(config.paths.runs) / "table" / self.data
            if usual and self.data not in budgets:
                self.folder = self.folder.with_name(config.clip_data)
            self.data = config.clip_data
        # What says which data it is goes to every command.
        self.about_data = [text for text in budget if key_of(text).startswith("data.source.")]
        self.budget = [text for text in budget if text not in self.about_data]
        self.about_data += given

    def row(self, name: str, spec: Mapping[str, Any]) -> Row | None:
        """Return a row; None where it can't be trained on this data.

        Raises:
            ConfigError: a command of it can't be composed, or its folder holds another run.
        """
        config, title, kind = self.config, spec["title"], self.kind
        if kind != "clips" and reads_clips(config):
            return None
        if "baseline" in spec:
            return Row(name, title, kind, (self._baseline(name, spec["baseline"]),))
        stages = spec.get("stages") or [{"overrides": spec["train"]}]
        if any("data" in stage and self.data not in stage["data"] for stage in stages):
            return None
        composed = [self._stage(stage) for stage in stages]
        runs = tuple(self._run(name, seed, composed) for seed in config.seeds)
        return Row(name, title, kind, runs, pace=self._pace(runs[0]))

    def _stage(self, stage: Mapping[str, Any]) -> tuple[list[str], DictConfig]:
        """Return the overrides of a training, without its seed, and its configuration."""
        overrides = [
            f"data={stage.get('data', {}).get(self.data, self.data)}",
            *self.budget,
            *self.about_data,
            *stage["overrides"],
            *self.config.overrides,
            "test=false",
            "trainer.enable_progress_bar=false",
        ]
        config = compose("train", overrides)
        if "share" in stage:
            epochs = max(1, round(stage["share"] * config.trainer.max_epochs))
            overrides.append(f"trainer.max_epochs={epochs}")
            config.trainer.max_epochs = epochs
        return overrides, config

    def _run(self, name: str, seed: int, stages: Sequence[tuple[list[str], DictConfig]]) -> Run:
        folder = self.folder / name / f"seed{seed}"
        jobs: list[Job] = []
        different: list[str] = []
        for number, (overrides, config) in enumerate(stages, start=1):
            place = folder if number == len(stages) else folder / f"stage{number}"
            begin = [f"init_from={quoted(jobs[-1].folder / BEST)}"] if jobs else []
            own = (*overrides, *begin, f"seed={seed}")
            jobs.append(Job("training", place, own, epochs=config.trainer.max_epochs))
            config.seed = seed
            # The path of the first weights does not matter.
            different += differences(place, config, but=("init_from",))
        if self.config.test:
            data = [
                text for text in self.about_data if key_of(text) not in (*OF_TRAINING, *OF_MODEL)
            ]
            # The table states single views.
            own = (f"ckpt={quoted(folder / BEST)}", f"data={self.data}", *data, "tta=false")
            jobs.append(self._judged("evaluation", folder / "evaluation", own))
        return self._checked(name, seed, folder, jobs, different)

    def _pace(self, run: Run) -> Run | None:
        """Return the first steps of a run's last training, which are timed.

        None where those that were timed have another configuration and are not to be timed again.
        """
        training = [job for job in run.jobs if job.step == "training"][-1]
        folder = self.folder / run.row / "pace"
        overrides = (*training.overrides, *_SHORT)
        # The pace is that of any seed.
        different = differences(folder, compose("train", overrides), but=("seed", "init_from"))
        if different and not self.config.pace:
            return None
        jobs = [Job("training", folder, overrides, epochs=1)]
        return self._checked(run.row, run.seed, folder, jobs, different)

    def _baseline(self, name: str, own: Sequence[str]) -> Run:
        seed: int = self.config.seeds[0]
        folder = self.folder / name / f"seed{seed}"
        test = f"test={str(bool(self.config.test)).lower()}"
        line = (f"data={self.data}", *self.about_data, *own, f"seed={seed}", test)
        job = self._judged("baseline", folder, line)
        # How it is scored changes nothing of what it learns.
        but = ("report", "robustness", "robustness_faces")
        different = differences(folder, compose("baseline", job.overrides), but=but)
        return self._checked(name, seed, folder, [job], different)

    def _judged(self, step: Any, folder: Path, overrides: Sequence[str]) -> Job:
        """Return an evaluation or a baseline, with what is measured."""
        robust, faces = bool(self.config.robustness), self.config.robustness_faces
        own = (
            *overrides,
            "report=false",
            f"robustness={str(robust).lower()}",
            f"robustness_faces={'null' if faces is None else faces}",
        )
        test = bool(self.config.test)
        return Job(step, folder, own, test=test, robustness=robust, faces=faces)

    def _checked(
        self, row: str, seed: int, folder: Path, jobs: Sequence[Job], different: Sequence[str]
    ) -> Run:
        """Return a run, stale where its folder holds another one.

        Raises:
            ConfigError: that one may not be replaced.
        """
        if different and not self.config.fresh:
            what = (
                f"{folder} holds another run ({'; '.join(different[:4])}): fresh=true replaces it, "
                "hydra.run.dir=FOLDER begins another table"
            )
            raise ConfigError([ConfigIssue("another_run", folder.name, what)])
        return Run(row, seed, folder, tuple(jobs), bool(different), configurations(folder))
