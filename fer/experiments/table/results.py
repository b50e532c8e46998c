"""What the finished runs of a table have measured: row by row, and one row against another."""

from __future__ import annotations

import csv
import io
import json
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from fer.config.run_folder import BEST
from fer.evaluation.comparison import DIFFERENCE, ModelRuns, compare, difference_interval
from fer.evaluation.predictions import MARKS, Predictions, read_predictions
from fer.evaluation.statistics import accuracy_interval
from fer.experiments.runs import Run, metrics_in
from fer.experiments.table.cost import Cost, cost_of
from fer.experiments.table.formatting import SPREAD, format_value
from fer.experiments.table.plan import Row

#: What begins the name of the difference that belongs to a figure.
GAIN: Final = "gain-"

#: The decimals that are kept: more than documents state, so that these are rounded once.
_DECIMALS: Final = 6


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a row.

    Attributes:
        value: in its unit; the mean where there are several seeds.
        unit: one of :data:`fer.experiments.table.formatting.UNITS`.
        interval: its ends, if it has one.
        method: how the interval was found.
        seeds: of the runs behind it.
        on_test: it was measured on the test split.
    """

    value: float
    unit: str
    interval: tuple[float, float] | None = None
    method: str | None = None
    seeds: tuple[int, ...] = ()
    on_test: bool = False

    @property
    def text(self) -> str:
        """The figure as tables show it."""
        return format_value(self.value, self.unit, self.interval, spread=self.method == SPREAD)


@dataclass(frozen=True, slots=True)
class Result:
    """One row's numbers.

    Attributes:
        row: the row.
        figures: by what they are: ``parameters``, ``multiply-adds``, ``speed``, ``public``,
            ``private``, ``deduplicated``, ``difference``, ``robustness``, as far as measured.
        marks: why the row's numbers are no scores, if any run says so.
        corrupted: how many faces ``robustness`` was measured on; 0 where it was not.
    """

    row: Row
    figures: Mapping[str, Figure]
    marks: tuple[str, ...] = ()
    corrupted: int = 0


def results_of(rows: Sequence[Row], reference: Row | None, *, seed: int = 0) -> list[Result]:
    """Return what the finished runs of each row have measured.

    Args:
        rows: of the table.
        reference: the row that the others are compared with, if it is there.
        seed: of the bootstrap.
    """
    return [_result(row, reference, seed) for row in rows]


def _result(row: Row, reference: Row | None, seed: int) -> Result:
    trained = {run.seed: m for run in row.runs if (m := metrics_in(run.folder))}
    judged = _judged(row)
    figures: dict[str, Figure | None] = {}
    cost = next((_cost(run) for run in row.runs if run.seed in trained), None)
    if cost is not None:
        figures["parameters"] = Figure(cost.parameters, "count")
        figures["multiply-adds"] = Figure(cost.multiply_adds, "count")
    rates = {key: m.get("train/faces_per_second") for key, m in trained.items()}
    if (pace := paced(row)) is not None:
        # Measured while nothing else ran, so that rows can be compared.
        rates = {pace.seed: (metrics_in(pace.folder) or {})["train/faces_per_second"]}
    figures["speed"] = over_seeds(rates, "/s")
    public = {s: m.get("val/best_acc", m.get("val/acc")) for s, m in trained.items()}
    figures["public"] = _with_interval(over_seeds(public, "%"), row, seed)
    scores = {s: metrics_in(run.judgement) or {} for s, run in judged.items()}
    for name, block in (("private", "official"), ("deduplicated", "deduplicated")):
        blocks = {key: m[block] for key, m in scores.items() if m[block] is not None}
        figures[name] = over_seeds(
            {key: one["accuracy"] for key, one in blocks.items()},
            "%",
            on_test=True,
            single=next((one["accuracy_ci95"] for one in blocks.values()), None),
        )
    robust = {s: (m.get("robustness") or {}).get("mean") for s, m in scores.items()}
    figures["robustness"] = over_seeds(robust, "%")
    if reference is not None and reference.name != row.name:
        figures["difference"] = _difference(row, reference)
    marks = {
        f"{key.upper().replace('_', ' ')}: {m[key]}"
        for m in scores.values()
        for key in MARKS
        if m.get(key)
    }
    measured = {name: figure for name, figure in figures.items() if figure is not None}
    return Result(row, measured, tuple(sorted(marks)), _corrupted_faces(judged.values()))


def _judged(row: Row) -> dict[int, Run]:
    """Return the runs of a row that were judged on the test split, by their seed."""
    return {run.seed: run for run in row.runs if "official" in (metrics_in(run.judgement) or {})}


def paced(row: Row) -> Run | None:
    """Return the run that measured a row's speed by itself, if there is one."""
    return row.pace if row.pace is not None and row.pace.next_job() is None else None


def runs_of(result: Result, name: str) -> list[Run]:
    """Return the runs that have measured a figure."""
    row, figure = result.row, result.figures[name]
    pace = paced(row) if name == "speed" else None
    every = row.runs if pace is None else (pace,)
    runs = [run for run in every if not figure.seeds or run.seed in figure.seeds]
    return [run for run in runs if (run.folder / "provenance.json").is_file()]


def _corrupted_faces(judged: Iterable[Run]) -> int:
    """Return how many faces were corrupted to measure robustness; 0 where it was not measured."""
    known = ((metrics_in(run.judgement) or {}).get("robustness") for run in judged)
    return next((int(one["n"]) for one in known if one and "n" in one), 0)


def over_seeds(
    values: Mapping[int, float | None],
    unit: str,
    *,
    on_test: bool = False,
    single: Sequence[float] | None = None,
) -> Figure | None:
    """Return the mean of a number over seeds with its standard deviation (of a sample).

    Args:
        values: by seed; None where a run has no such number.
        unit: of the number.
        on_test: it was measured on the test split.
        single: the bootstrap interval to state where there is one seed alone.

    Returns:
        None where there is no value.
    """
    there = {s: float(v) for s, v in sorted(values.items()) if v is not None}
    if not there:
        return None
    mean, ends, method = statistics.fmean(there.values()), single, "bootstrap"
    if len(there) > 1:
        sd = statistics.stdev(there.values())
        ends, method = (mean - sd, mean + sd), SPREAD
    interval = None if ends is None else (round(ends[0], _DECIMALS), round(ends[1], _DECIMALS))
    named = None if ends is None else method
    return Figure(round(mean, _DECIMALS), unit, interval, named, tuple(there), on_test)


def _with_interval(figure: Figure | None, row: Row, seed: int) -> Figure | None:
    """Return the validation accuracy of a single run with its bootstrap interval."""
    if figure is None or figure.interval is not None:
        return figure
    run = next(run for run in row.runs if run.seed == figure.seeds[0])
    text = (run.folder / "provenance.json").read_text(encoding="utf-8")
    n: int = json.loads(text)["faces"]["val"]
    correct = np.arange(n) < round(figure.value * n)
    return over_seeds({run.seed: figure.value}, "%", single=accuracy_interval(correct, seed=seed))


def _difference(row: Row, reference: Row) -> Figure | None:
    """Return how much more accurate a row is on the test split than the reference."""
    sides = [list(_judged(one).values()) for one in (row, reference)]
    if not all(sides):
        return None
    pair = compare(
        [
            ModelRuns(one.name, [read_predictions(run.judgement) for run in runs])
            for one, runs in zip((row, reference), sides, strict=True)
        ]
    )["pairs"][0]
    return _paired(pair["difference"], pair["difference_ci95"], [run.seed for run in sides[0]])


def _paired(difference: float, interval: Sequence[float], seeds: Iterable[int]) -> Figure:
    low, high = (round(end, _DECIMALS) for end in interval)
    value = round(difference, _DECIMALS)
    return Figure(value, "points", (low, high), DIFFERENCE, tuple(seeds), on_test=True)


def _cost(run: Run) -> Cost | None:
    """Return what the model of a run costs; None where that is not known."""
    if (run.folder / BEST).is_file():
        from fer.inference import load_checkpoint

        model = load_checkpoint(run.folder / BEST)
        return cost_of(model.network, model.size, model.frames)
    metrics = metrics_in(run.folder) or {}
    if "parameters" not in metrics:
        return None
    return Cost(metrics["parameters"], metrics["multiply_adds"])


def as_csv(results: Sequence[Result]) -> str:
    """Return every figure of every row as CSV: row, figure, value, low, high, interval, seeds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "figure", "value", "low", "high", "interval", "seeds"])
    for result in results:
        for name, one in result.figures.items():
            ends = one.interval or ("", "")
            seeds = " ".join(map(str, one.seeds))
            writer.writerow([result.row.name, name, one.value, *ends, one.method or "", seeds])
    return text.getvalue()


def where_helps(row: Row, reference: Row) -> tuple[Result, Result] | None:
    """Compare two rows in each class of the test split and under each family of corruption.

    Returns:
        The results of reference and row, with the same figures, ``recall-CLASS`` and
        ``under-FAMILY`` (``under-nothing`` is the clean pictures); the latter's also have each
        difference, ``gain-…``: of a class with its paired interval, under a corruption as mean ± sd
        over the seeds that both have. None where one of them was not judged.
    """
    judged = [_judged(one) for one in (reference, row)]
    if not all(judged):
        return None
    ours: dict[str, Figure] = {}
    theirs: dict[str, Figure] = {}
    for name, first, second, gain in [*_recalls(judged), *_under_corruptions(judged)]:
        if first is None or second is None:
            continue
        theirs[name], ours[name] = first, second
        if gain is not None:
            ours[f"{GAIN}{name}"] = gain
    n = _corrupted_faces(judged[1].values())
    return Result(reference, theirs, corrupted=n), Result(row, ours, corrupted=n)


#: The name of a figure, that of the reference, that of the row, and the difference.
_Compared = tuple[str, Figure | None, Figure | None, Figure | None]


def _recalls(judged: Sequence[Mapping[int, Run]]) -> Iterator[_Compared]:
    answers = [
        {key: _in_order(read_predictions(run.judgement)) for key, run in one.items()}
        for one in judged
    ]
    first = next(iter(answers[0].values()))
    for position, name in enumerate(first.classes):
        chosen = first.label == position
        if not chosen.any():
            continue
        right = [np.stack([p.correct[chosen] for p in one.values()]) for one in answers]
        theirs, ours = (
            over_seeds(dict(zip(one, found.mean(axis=1).tolist(), strict=True)), "%", on_test=True)
            for one, found in zip(answers, right, strict=True)
        )
        gain = float(right[1].mean() - right[0].mean())
        difference = _paired(gain, difference_interval(right[1], right[0]), answers[1])
        yield f"recall-{slug(name)}", theirs, ours, difference


def _in_order(predictions: Predictions) -> Predictions:
    test = predictions.test()
    return test.take(np.argsort(test.row))


def _under_corruptions(judged: Sequence[Mapping[int, Run]]) -> Iterator[_Compared]:
    measured = [
        {seed: means for seed, run in one.items() if (means := _families(run))} for one in judged
    ]
    if not all(measured):
        return
    for name in next(iter(measured[0].values())):
        theirs, ours = ({seed: m[name] for seed, m in one.items()} for one in measured)
        gains = {seed: ours[seed] - theirs[seed] for seed in sorted(theirs.keys() & ours.keys())}
        yield (
            f"under-{slug(name)}",
            over_seeds(theirs, "%"),
            over_seeds(ours, "%"),
            over_seeds(gains, "points"),
        )


def _families(run: Run) -> dict[str, float]:
    """Return the mean accuracy of a run by family of corruption; empty where none was measured."""
    robustness: Any = (metrics_in(run.judgement) or {}).get("robustness")
    if not robustness:
        return {}
    means = means_by_family(robustness)
    return {"nothing": robustness["clean"], **means, "all": robustness["mean"]}


def means_by_family(robustness: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean accuracy by family of corruption, of a block ``robustness`` of metrics."""
    by_family: dict[str, list[float]] = {}
    for kind in robustness["kinds"].values():
        by_family.setdefault(kind["family"], []).append(kind["mean"])
    return {family: float(np.mean(values)) for family, values in by_family.items()}


def slug(name: str) -> str:
    """Return a name as figures are called.

    Example:
        >>> slug("head angle")
        'head_angle'
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
