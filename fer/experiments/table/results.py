"""What the finished runs of a table have measured, row by row."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fer.config.folder import BEST
from fer.evaluation.comparison import DIFFERENCE, ModelRuns, compare
from fer.evaluation.predictions import MARKS, read_predictions
from fer.evaluation.statistics import accuracy_interval
from fer.experiments.runs import Row, Run, metrics_in
from fer.experiments.table.cost import Cost, cost_of
from fer.experiments.table.formatting import SPREAD, format_value

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
        reference: the row that the others are held against, if it is there.
        seed: of the bootstrap.
    """
    return [_result(row, reference, seed) for row in rows]


def _result(row: Row, reference: Row | None, seed: int) -> Result:
    trained = {run.seed: m for run in row.runs if (m := metrics_in(run.folder))}
    judged = {run.seed: run for run in row.runs if "official" in (metrics_in(run.judgement) or {})}
    figures: dict[str, Figure | None] = {}
    cost = next((_cost(run) for run in row.runs if run.seed in trained), None)
    if cost is not None:
        figures["parameters"] = Figure(cost.parameters, "count")
        figures["multiply-adds"] = Figure(cost.multiply_adds, "count")
    rates = {key: m.get("train/faces_per_second") for key, m in trained.items()}
    paced = metrics_in(row.pace.folder) if row.pace is not None and is_paced(row) else None
    if row.pace is not None and paced is not None:
        # Measured by itself, and so to be compared.
        rates = {row.pace.seed: paced["train/faces_per_second"]}
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
    return Result(
        row,
        {name: figure for name, figure in figures.items() if figure is not None},
        tuple(sorted(marks)),
        corrupted=corrupted_faces(judged.values()),
    )


def is_paced(row: Row) -> bool:
    """Say whether a row's speed was measured by itself."""
    return row.pace is not None and row.pace.next_job() is None


def runs_of(result: Result, name: str) -> list[Run]:
    """Return the runs that have measured a figure."""
    row, figure = result.row, result.figures[name]
    paced = row.pace if name == "speed" and is_paced(row) else None
    every = row.runs if paced is None else (paced,)
    runs = [run for run in every if not figure.seeds or run.seed in figure.seeds]
    return [run for run in runs if (run.folder / "provenance.json").is_file()]


def corrupted_faces(judged: Iterable[Run]) -> int:
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
    seeds = tuple(there)
    mean = statistics.fmean(there.values())
    if len(there) > 1:
        sd = statistics.stdev(there.values())
        ends = (round(mean - sd, _DECIMALS), round(mean + sd, _DECIMALS))
        return Figure(round(mean, _DECIMALS), unit, ends, SPREAD, seeds, on_test)
    if single is None:
        return Figure(round(mean, _DECIMALS), unit, None, None, seeds, on_test)
    ends = (round(single[0], _DECIMALS), round(single[1], _DECIMALS))
    return Figure(round(mean, _DECIMALS), unit, ends, "bootstrap", seeds, on_test)


def _with_interval(figure: Figure | None, row: Row, seed: int) -> Figure | None:
    """Return the validation accuracy of a single run with its bootstrap interval."""
    if figure is None or figure.interval is not None:
        return figure
    run = next(run for run in row.runs if run.seed == figure.seeds[0])
    text = (run.folder / "provenance.json").read_text(encoding="utf-8")
    n: int = json.loads(text)["faces"]["val"]
    correct = np.arange(n) < round(figure.value * n)
    return over_seeds(
        {figure.seeds[0]: figure.value}, "%", single=accuracy_interval(correct, seed=seed)
    )


def _difference(row: Row, reference: Row) -> Figure | None:
    """Return how much more accurate a row is on the test split than the reference."""
    sides = []
    for one in (row, reference):
        runs = [run for run in one.runs if "official" in (metrics_in(run.judgement) or {})]
        sides.append(runs)
    if not all(sides):
        return None
    contenders = [
        ModelRuns(one.name, [read_predictions(run.judgement) for run in runs])
        for one, runs in zip((row, reference), sides, strict=True)
    ]
    pair = compare(contenders)["pairs"][0]
    low, high = pair["difference_ci95"]
    return Figure(
        round(pair["difference"], _DECIMALS),
        "points",
        (round(low, _DECIMALS), round(high, _DECIMALS)),
        DIFFERENCE,
        tuple(run.seed for run in sides[0]),
        on_test=True,
    )


def _cost(run: Run) -> Cost | None:
    """Return what the model of a run costs; None where it does not say."""
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
