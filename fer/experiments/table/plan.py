"""The rows of a table, as their runs: each composed and checked before anything is run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from fer.config.compose import compose
from fer.config.evaluating import OF_MODEL, OF_TRAINING
from fer.config.folder import BEST
from fer.config.problems import ConfigError, Problem, nearest
from fer.config.processes import quoted
from fer.config.resume import differences
from fer.config.rules import rule_for
from fer.config.training import reads_clips
from fer.experiments.runs import Job, Row, Run, configurations

#: What must be as its rule says before rows can be made of it.
_OWN: Final = (
    "seeds", "kind", "only", "jobs", "test", "robustness", "robustness_faces", "pace", "fresh",
    "overrides",
)  # fmt: skip

#: The row that the others of a kind are held against; ablations depart from theirs.
REFERENCES: Final[Mapping[str, str]] = {
    "families": "cnn",
    "ablations": "cnn_lstm",
    "clips": "clip_frames",
}

#: What changes nothing of what a baseline learns.
_LOOKS: Final = ("report", "robustness", "robustness_faces")

#: What makes a training short enough to measure its pace alone.
_SHORT: Final = (
    "trainer.max_epochs=1", "trainer.limit_train_batches=300", "trainer.limit_val_batches=2",
)  # fmt: skip


class Planner:
    """Makes the rows while the configuration is checked, so that mistakes in them are told too.

    Attributes:
        rows: those chosen; filled by :meth:`check`.
        left_out: rows that say nothing of this data.
        titles: of all rows there are, by kind and name.
        data: what the table is of, the choice's name.
        overrides: of the command line.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.left_out: list[str] = []
        self.titles: dict[str, dict[str, str]] = {}
        self.data = ""
        self.overrides: tuple[str, ...] = ()

    def check(self, config: DictConfig, overrides: Sequence[str]) -> list[Problem]:
        """Make the rows; return what is wrong with them.

        Args:
            config: the composed configuration of the table.
            overrides: of the command line.
        """
        plain: Any = OmegaConf.to_container(config, resolve=False)
        if any(rule_for(key, None).complaint(plain[key]) for key in _OWN):
            return []  # Told already.
        every = {kind: plain[kind] for kind in REFERENCES}
        names = [name for rows in every.values() for name in rows]
        # Checked once for each run of a sweep, of which there is one here.
        self.rows, self.left_out = [], []
        problems = [
            Problem("only", f"there is no row {name!r}{nearest(name, names)}")
            for name in plain["only"] or ()
            if name not in names
        ]
        if len(set(plain["seeds"])) != len(plain["seeds"]):
            problems.append(Problem("seeds", "names a seed twice"))
        if config.data.get("protocol") != "official":
            problems.append(Problem("data.protocol", "a table is made on the official split"))
        if plain["robustness"] == "test":
            problems.append(Problem("robustness", "is measured on the validation split: true"))
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
        maker = _Maker(config, overrides)
        for kind, name in chosen:
            try:
                row = maker.row(kind, name, every[kind][name])
            except ConfigError as error:
                problems += [Problem(f"row {name}: {p.where}", p.what) for p in error.problems]
                continue
            if row is None:
                self.left_out.append(name)
            else:
                self.rows.append(row)
        if not self.rows and not problems:
            what = f"{self.data} has nothing that these rows read"
            problems.append(Problem("data", f"{what}{': choose kind=clips' * reads_clips(config)}"))
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


class _Maker:
    """Makes rows of what their configuration says."""

    def __init__(self, config: DictConfig, overrides: Sequence[str]) -> None:
        self.config = config
        self.more: list[str] = list(config.overrides)
        self.is_clips = reads_clips(config)
        self.given = [text for text in overrides if _key(text).startswith(("data.", "paths."))]
        self._take("families")

    @property
    def _faces(self) -> str:
        """The number of faces that are corrupted, for the command line."""
        number = self.config.robustness_faces
        return "null" if number is None else str(number)

    def _take(self, kind: str) -> None:
        """Take up the data and the budget of rows of a kind."""
        config = self.config
        table: str = config.hydra.runtime.choices.data
        budget: Any = OmegaConf.to_container(
            config.clip_budget if kind == "clips" else config.budget
        )
        shared: list[str] = budget.get(table, budget["default"])
        given, self.data, self.folder = self.given, table, Path(config.hydra.run.dir)
        if kind == "clips" and not self.is_clips:
            # Other data than the table's: what is said of that one is not said of this.
            self.data = config.clip_data
            given = [text for text in given if _key(text).startswith("paths.")]
            usual = self.folder == Path(config.paths.runs) / "table" / table
            if usual and table not in budget:
                self.folder = self.folder.with_name(self.data)
        # What says which data it is goes to every command.
        self.about_data = [text for text in shared if _key(text).startswith("data.source.")]
        self.budget = [text for text in shared if text not in self.about_data]
        self.about_data += given

    def row(self, kind: str, name: str, spec: Mapping[str, Any]) -> Row | None:
        """Return a row; None where it says nothing of this data.

        Raises:
            ConfigError: a command of it can't be composed, or its folder holds another run.
        """
        if kind != "clips" and self.is_clips:
            return None
        self._take(kind)
        if "baseline" in spec:
            runs = [self._baseline(name, self.config.seeds[0], spec["baseline"])]
            return Row(name, spec["title"], kind, tuple(runs), conventional=True)
        stages = spec.get("stages") or [{"overrides": spec["train"]}]
        if any("data" in stage and self.data not in stage["data"] for stage in stages):
            return None
        composed = [self._stage(stage) for stage in stages]
        runs = [self._run(name, seed, composed) for seed in self.config.seeds]
        return Row(name, spec["title"], kind, tuple(runs), pace=self._pace(runs[0]))

    def _stage(self, stage: Mapping[str, Any]) -> tuple[list[str], DictConfig]:
        """Return the overrides of a training, without its seed, and what they compose to."""
        data = stage.get("data", {}).get(self.data, self.data)
        overrides = [
            f"data={data}",
            *self.budget,
            *self.about_data,
            *stage["overrides"],
            *self.more,
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
            own = [*overrides, *begin, f"seed={seed}"]
            jobs.append(Job("training", place, tuple(own), epochs=config.trainer.max_epochs))
            config.seed = seed
            # Where the first weights lie says nothing of them.
            different += differences(place, config, but=("init_from",))
        stale = self._stale(folder, different)
        if self.config.test:
            jobs.append(self._evaluation(folder))
        return Run(name, seed, folder, tuple(jobs), stale=stale, found=configurations(folder))

    def _pace(self, run: Run) -> Run | None:
        """Return the first steps of a run's last training, which are timed.

        None where those that were timed are of another configuration and are not timed anew.
        """
        training = [job for job in run.jobs if job.step == "training"][-1]
        folder = self.folder / run.row / "pace"
        overrides = (*training.overrides, *_SHORT)
        config = compose("train", overrides)
        # The pace is that of any seed.
        different = differences(folder, config, but=("seed", "init_from"))
        if different and not self.config.pace:
            return None
        stale = self._stale(folder, different)
        job = Job("training", folder, overrides, epochs=1)
        return Run(run.row, run.seed, folder, (job,), stale=stale, found=configurations(folder))

    def _evaluation(self, folder: Path) -> Job:
        robust = bool(self.config.robustness)
        overrides = [
            f"ckpt={quoted(folder / BEST)}",
            f"data={self.data}",
            *(text for text in self.about_data if _key(text) not in (*OF_TRAINING, *OF_MODEL)),
            # The table states single views.
            "tta=false",
            "report=false",
            f"robustness={str(robust).lower()}",
            f"robustness_faces={self._faces}",
        ]
        place = folder / "evaluation"
        faces = self.config.robustness_faces
        return Job("evaluation", place, tuple(overrides), test=True, robustness=robust, faces=faces)

    def _baseline(self, name: str, seed: int, own: Sequence[str]) -> Run:
        folder = self.folder / name / f"seed{seed}"
        test, robust = bool(self.config.test), bool(self.config.robustness)
        overrides = [
            f"data={self.data}",
            *self.about_data,
            *own,
            f"seed={seed}",
            "report=false",
            f"robustness={str(robust).lower()}",
            f"robustness_faces={self._faces}",
            f"test={str(test).lower()}",
        ]
        config = compose("baseline", overrides)
        stale = self._stale(folder, differences(folder, config, but=_LOOKS))
        faces = self.config.robustness_faces
        job = Job("baseline", folder, tuple(overrides), test=test, robustness=robust, faces=faces)
        return Run(name, seed, folder, (job,), stale=stale, found=configurations(folder))

    def _stale(self, folder: Path, different: Sequence[str]) -> bool:
        """Say whether a run is to be made anew.

        Raises:
            ConfigError: it is another one, and nobody said that it may go.
        """
        if different and not self.config.fresh:
            what = (
                f"{folder} holds another run ({'; '.join(different[:4])}): fresh=true makes it "
                "anew, hydra.run.dir=FOLDER begins another table"
            )
            raise ConfigError([Problem(folder.name, what)])
        return bool(different)


def _key(override: str) -> str:
    return override.lstrip("+").partition("=")[0]
