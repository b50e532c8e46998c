"""A record of the claims ledger, taken from the folders of the runs that it is about."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fer.errors import UserError
from fer.evaluation.claim_words import wording
from fer.looks import LOOKS, PRIVATE, looks_at_test

#: Keys of a configuration that say where things lie and what is shown, not what is measured.
_ELSEWHERE: Final = (
    "paths", "logger", "name", "resume", "check_only", "data.root", "data.votes",
    "data.source.root", "data.source.cache", "data.source.votes", "trainer.enable_progress_bar",
)  # fmt: skip

#: Metrics that are shares of faces, whose interval follows from their number.
_SHARES: Final = ("acc", "best_acc", "accuracy", "memorisation_rate")

#: More than any document shows: what is rounded twice may end on the wrong side.
_DIGITS: Final = 6

_ADVICE: Final = "a claim is made from the folder of a finished run"


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
) -> dict[str, Any]:
    """Return the record of a number that one run, or several that differ in their seed, measured.

    Of one run, the interval is the one that ``metrics.json`` states beside the number
    (``…_ci95``), or for an accuracy that of Wilson (1927) from the number of faces. Of several, the
    value is their mean and the interval that of Student's t over the runs. All are of 95 percent.

    Args:
        folders: each with ``config.yaml``, ``provenance.json`` and ``metrics.json``.
        name: the claim's ID.
        what: what the number is, in words.
        metric: its key in ``metrics.json``, or the keys down to it: ``official.accuracy``.
        unit: one of :data:`fer.evaluation.claim_words.UNITS`; words are told by themselves.
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
    runs = [_Run(folder) for folder in folders]
    first = runs[0]
    for run in runs[1:]:
        for field in ("commit", "configuration", "data", "mark"):
            if getattr(run, field) != getattr(first, field):
                raise UserError(f"{run.folder} and {first.folder} differ in their {field}")
    seeds = [run.seed for run in runs]
    if len(set(seeds)) != len(seeds):
        raise UserError(f"several runs of one claim need a seed each, not {seeds}")
    if not metric.startswith(("val/", "train/")):
        looks = _looks(runs, metric, looks)
    if first.commit is None or (any(run.dirty for run in runs) and not allow_dirty):
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
        value = round(float(values[0]), _DIGITS)
        interval, method = first.interval(metric, float(values[0]), n)
    stated = command or first.command
    if re.search(r"(?:^|[\s='\"\[,{:])/", stated):
        raise UserError(f"the command names a place of this machine ({stated}): give --command")
    dirty = any(run.dirty for run in runs)
    return {
        "id": name,
        "what": what + (" (with uncommitted changes)" if dirty else ""),
        "value": value,
        "unit": unit,
        "text": wording(value, unit, interval),
        "interval": None if interval is None else list(interval),
        "interval_method": method,
        "command": stated,
        "commit": first.commit,
        "configuration": first.configuration,
        "data": first.data,
        "seeds": seeds,
        "private_test_looks": looks or 0,
        "mark": first.mark,
    }


def _looks(runs: Sequence[_Run], metric: str, stated: int | None) -> int:
    """Return how often PrivateTest was looked at, as the runs have counted or as it is stated."""
    known = [run.looks for run in runs if run.looks is not None]
    if stated is None and len(known) < len(runs):
        raise UserError(f"{metric} may be of PrivateTest: say by --looks how often it was seen")
    if stated is not None and stated < sum(known):
        raise UserError(f"--looks {stated} is less than the runs have counted: {sum(known)}")
    return sum(known) if stated is None else stated


def configuration_hash(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a configuration, without its seed and what differs between machines.

    Keys are sorted and written as JSON, so that neither order nor comments matter.
    """
    flat = dict(_flat(config, ""))
    kept = {
        key: value
        for key, value in flat.items()
        if key != "seed" and not any(key == k or key.startswith(f"{k}.") for k in _ELSEWHERE)
    }
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


class _Run:
    """What a run folder holds."""

    def __init__(self, folder: Path) -> None:
        import yaml

        self.folder = folder
        try:
            texts = [
                (folder / file).read_text(encoding="utf-8")
                for file in ("config.yaml", "provenance.json", "metrics.json")
            ]
            config = yaml.safe_load(texts[0])
            provenance, self._metrics = map(json.loads, texts[1:])
            self.seed = int(provenance["seed"])
            self.commit: str | None = provenance["commit"]
            self.dirty = bool(provenance["dirty"])
            # Where the run lies says nothing of what it did.
            words = shlex.split(provenance["command"])
            self.command = shlex.join(w for w in words if not w.startswith("hydra.run.dir="))
            self.data: str = provenance["data"]["fingerprint"]
            self.configuration = configuration_hash(config)
            self._faces: Mapping[str, int] = provenance.get("faces", {})
            self.looks = _counted_looks(folder, provenance)
        except FileNotFoundError as error:
            raise UserError(f"there is no {error.filename}: {_ADVICE}") from error
        except (ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError) as error:
            raise UserError(f"{folder} can't be read as a run ({error}): {_ADVICE}") from error
        marks = (("INVALID", "invalid"), ("NOT COMPARABLE", "not_comparable"))
        said = [f"{word}: {self._metrics[key]}" for word, key in marks if self._metrics.get(key)]
        self.mark = said[0] if said else None

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
            return (round(low, _DIGITS), round(high, _DIGITS)), "bootstrap"
        split, _, last = key.replace(".", "/").rpartition("/")
        if last not in _SHARES:
            return None, None
        n = n or self._faces.get(split) or self._counted(split)
        if n is None:
            raise UserError(f"{self.folder} doesn't say of how many faces {key} is: give --n")
        from scipy.stats import binomtest

        found = binomtest(round(value * n), n).proportion_ci(0.95, method="wilson")
        return (round(float(found.low), _DIGITS), round(float(found.high), _DIGITS)), "Wilson"

    def _at(self, key: str) -> Any:
        if key in self._metrics:
            return self._metrics[key]
        node: Any = self._metrics
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return node

    def _counted(self, split: str) -> int | None:
        """Return how many faces the run's confusion matrix counts, which is of its test split."""
        path = self.folder / "figures" / "confusion_matrix.csv"
        if split != "test" or not path.is_file():
            return None
        with path.open(encoding="utf-8", newline="") as file:
            return sum(int(cell) for row in list(csv.reader(file))[1:] for cell in row[1:])


def _counted_looks(folder: Path, provenance: Mapping[str, Any]) -> int | None:
    """Return how often PrivateTest was looked at up to a run; None where nobody has counted."""
    if (known := provenance.get("looks")) is not None:
        # Of an evaluation: its checkpoint's run may have been looked at since.
        return int(known["number"]) if known["split"] == PRIVATE else 0
    return looks_at_test(folder, PRIVATE) if (folder / LOOKS).is_file() else None


def _over_seeds(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Return the mean of several runs and its interval of 95 percent."""
    from scipy.stats import t

    count = len(values)
    mean = math.fsum(values) / count
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (count - 1))
    reach = float(t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    return round(mean, _DIGITS), (round(mean - reach, _DIGITS), round(mean + reach, _DIGITS))


def _flat(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found = []
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found
