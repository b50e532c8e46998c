"""A claim from the folders of the runs that it is about."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from fer.core.errors import UserError
from fer.core.holdout_access import ACCESS_LOG, FER2013_TEST, count_test_accesses
from tools.ledger.claim import DIGITS, Claim

#: Keys of a configuration that say where things lie and what is shown, not what is measured.
_ELSEWHERE: Final = (
    "paths", "logger", "name", "resume", "check_only", "data.root", "data.votes",
    "data.source.root", "data.source.cache", "data.source.votes", "trainer.enable_progress_bar",
)  # fmt: skip

#: Metrics that are shares of faces, whose interval follows from their number.
_SHARES: Final = ("acc", "best_acc", "accuracy", "memorisation_rate")

#: What a claim says of a number that was measured with changes that no commit holds.
DIRTY: Final = " (with uncommitted changes)"

_ADVICE: Final = "a claim is made from the folder of a finished run"


class Run:
    """What a run folder says of itself.

    Attributes:
        folder: the folder, with ``config.yaml`` and ``provenance.json``.
        config: the configuration.
        provenance: where the run comes from.
        seed: of everything that is drawn.
        commit: of the code; None where no commit holds it.
        dirty: whether there were changes that the commit does not hold.
        command: what repeats it; its folder is left out.
        data: fingerprint of the data.
        configuration: see :func:`configuration_hash`.

    Raises:
        UserError: a file is missing or can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: Mapping[str, Any] = self._read("config.yaml", yaml.safe_load)
        self.provenance: Mapping[str, Any] = self._read("provenance.json", json.loads)
        try:
            self.seed = int(self.provenance["seed"])
            self.commit: str | None = self.provenance["commit"]
            self.dirty = bool(self.provenance["dirty"])
            words = shlex.split(self.provenance["command"])
            # Where the run lies says nothing of what it did.
            self.command = shlex.join(w for w in words if not w.startswith("hydra.run.dir="))
            self.data: str = self.provenance["data"]["fingerprint"]
            self.configuration = configuration_hash(self.config)
            self._faces: Mapping[str, int] = self.provenance.get("faces", {})
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(f"{folder} can't be read as a run ({error!r}): {_ADVICE}") from error

    def origin(self) -> dict[str, Any]:
        """Return the fields of a claim that say where a number is from.

        Raises:
            UserError: no commit holds the code.
        """
        if self.commit is None:
            raise UserError(f"{self.folder} was made by code that no commit holds: commit, rerun")
        return {
            "commit": self.commit, "configuration": self.configuration, "data": self.data,
        }  # fmt: skip

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """What it measured."""
        found: Mapping[str, Any] = self._read("metrics.json", json.loads)
        return found

    @property
    def mark(self) -> str | None:
        """Why its numbers are no scores; None where they are."""
        marks = {"invalid": "INVALID", "not_comparable": "NOT COMPARABLE"}
        said = (f"{word}: {self.metrics[key]}" for key, word in marks.items() if
                self.metrics.get(key))  # fmt: skip
        return next(said, None)

    @property
    def looks(self) -> int | None:
        """How often PrivateTest was looked at up to it; None where nobody has counted."""
        if (known := self.provenance.get("looks")) is not None:
            # Of an evaluation: its checkpoint's run may have been looked at since.
            return int(known["number"]) if known["split"] == FER2013_TEST else 0
        return (
            count_test_accesses(self.folder, FER2013_TEST)
            if (self.folder / ACCESS_LOG).is_file()
            else None
        )

    def metric(self, key: str) -> float | str:
        """Return a number, or a word."""
        value = self._at(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(value, str) or (is_number and math.isfinite(value)):
            return value  # type: ignore[no-any-return]
        raise UserError(f"{self.folder / 'metrics.json'} has no number or word at {key!r}")

    def interval(
        self, key: str, value: float, n: int | None
    ) -> tuple[tuple[float, float] | None, str | None]:
        """Return the interval of a number and how it was found, if it can be."""
        if isinstance(stated := self._at(f"{key}_ci95"), list):
            low, high = stated
            return (round(low, DIGITS), round(high, DIGITS)), "bootstrap"
        split, _, last = key.replace(".", "/").rpartition("/")
        if last not in _SHARES:
            return None, None
        n = n or self._faces.get(split)
        if n is None:
            raise UserError(f"{self.folder} doesn't say of how many faces {key} is: give --n")
        return wilson(value, n), "Wilson"

    def _read(self, name: str, parse: Callable[[str], Any]) -> Any:
        try:
            found = parse((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UserError(f"there is no {error.filename}: {_ADVICE}") from error
        except (ValueError, yaml.YAMLError) as error:
            raise UserError(f"{self.folder} can't be read as a run ({error}): {_ADVICE}") from error
        if not isinstance(found, Mapping):
            raise UserError(f"{self.folder} can't be read as a run ({name} is not a mapping)")
        return found

    def _at(self, key: str) -> Any:
        if key in self.metrics:
            return self.metrics[key]
        node: Any = self.metrics
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return node


def claim_from_runs(
    folders: Sequence[Path],
    *,
    name: str,
    what: str,
    metric: str,
    unit: str = "%",
    looks: int | None = None,
    n: int | None = None,
    command: str | None = None,
    allow_dirty: bool = False,
) -> Claim:
    """Return the claim of a number that one run, or several that differ in their seed, measured.

    Of one run, the interval is the one that ``metrics.json`` states beside the number
    (``…_ci95``), or for an accuracy that of Wilson (1927) from the number of faces. Of several, the
    value is their mean and the interval that of Student's t over the runs. All are of 95 percent.

    Args:
        folders: each with ``config.yaml``, ``provenance.json`` and ``metrics.json``.
        name: the claim's ID.
        what: what the number is, in words.
        metric: its key in ``metrics.json``, or the keys down to it: ``official.accuracy``.
        unit: one of :data:`fer.experiments.table.formatting.UNITS`; words are told by themselves.
        looks: how often PrivateTest was looked at on the way; by default what the runs have
            counted, and none for ``val/`` and ``train/`` metrics.
        n: number of faces; by default what the run has recorded.
        command: what to state instead of the recorded command.
        allow_dirty: take a run from a checkout with uncommitted changes, and say so.

    Raises:
        UserError: a folder holds no such run or no such metric, the runs don't belong together, or
            what a claim needs is not known.
        OSError: a file cannot be read.
    """
    runs = [Run(folder) for folder in folders]
    first = runs[0]
    for run in runs[1:]:
        for field in ("commit", "configuration", "data", "mark"):
            if getattr(run, field) != getattr(first, field):
                raise UserError(f"{run.folder} and {first.folder} differ in their {field}")
    seeds = tuple(run.seed for run in runs)
    if len(set(seeds)) != len(seeds):
        raise UserError(f"several runs of one claim need a seed each, not {list(seeds)}")
    if not metric.startswith(("val/", "train/")):
        looks = _looks(runs, metric, looks)
    dirty = any(run.dirty for run in runs)
    if first.commit is None or (dirty and not allow_dirty):
        raise UserError(
            f"{first.folder} was run from code that no commit holds: commit, and run it again "
            "(or --allow-dirty where there is a commit and the changes don't matter)"
        )
    values = [run.metric(metric) for run in runs]
    if unit == "%" and any(isinstance(v, int | float) and abs(v) > 1 for v in values):
        raise UserError(f"{metric} is {values[0]}, which is no share: give --unit number, ms or /s")
    value: float | str
    interval, method = None, None
    if len(set(values)) == 1 and isinstance(values[0], str):
        value, unit = values[0], "word"
    elif any(isinstance(v, str) for v in values):
        raise UserError(f"{metric} is a word, and not the same in all runs: {values}")
    elif len(values) > 1:
        value, interval, method = *_over_seeds([float(v) for v in values]), "t over seeds"
    else:
        value = round(float(values[0]), DIGITS)
        interval, method = first.interval(metric, float(values[0]), n)
    stated = command or first.command
    if re.search(r"(?:^|[\s='\"\[,{:])/", stated):
        raise UserError(f"the command names a place of this machine ({stated}): give --command")
    return Claim(
        id=name,
        what=what + DIRTY * dirty,
        value=value,
        unit=unit,
        interval=interval,
        interval_method=method,
        command=stated,
        seeds=seeds,
        private_test_looks=looks or 0,
        mark=first.mark,
        **first.origin(),
    )


def configuration_hash(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration, without its seed and what differs between machines.

    Keys are sorted and written as JSON, so that neither order nor comments matter.
    """
    kept = {
        key: value
        for key, value in _flat(config, "")
        if key != "seed" and not any(key == k or key.startswith(f"{k}.") for k in _ELSEWHERE)
    }
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the interval of 95 percent of a share of ``n`` faces (Wilson 1927)."""
    from scipy.stats import binomtest

    found = binomtest(round(share * n), n).proportion_ci(0.95, method="wilson")
    return round(float(found.low), DIGITS), round(float(found.high), DIGITS)


def _looks(runs: Sequence[Run], metric: str, stated: int | None) -> int:
    """Return how often PrivateTest was looked at, as the runs have counted or as it is stated."""
    known = [run.looks for run in runs]
    counted = sum(looks or 0 for looks in known)
    if stated is None and None in known:
        raise UserError(f"{metric} may be of PrivateTest: say by --looks how often it was seen")
    if stated is not None and stated < counted:
        raise UserError(f"--looks {stated} is less than the runs have counted: {counted}")
    return counted if stated is None else stated


def _over_seeds(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Return the mean of several runs and its interval of 95 percent."""
    from scipy.stats import t

    count = len(values)
    mean = math.fsum(values) / count
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1))
    reach = float(t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    return round(mean, DIGITS), (round(mean - reach, DIGITS), round(mean + reach, DIGITS))


def _flat(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
