"""Where one row is better than another: class by class, and as the picture gets worse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from fer.evaluation.comparison import DIFFERENCE, difference_interval
from fer.evaluation.predictions import Predictions, read_predictions
from fer.experiments.runs import Row, Run, metrics_in
from fer.experiments.table.results import Figure, Result, corrupted_faces, over_seeds
from fer.experiments.table.writing import Table, cell_of

#: What begins the name of the difference that belongs to a figure.
GAIN: Final = "gain-"

#: The kind of the table.
WHERE: Final = "where"

_TITLES: Final = {
    "recall": "{test}, recall of {what}",
    "under": "{val}, corrupted: {what}",
}


def where_helps(row: Row, reference: Row) -> tuple[Result, Result] | None:
    """Return how two rows do in each class of the test split and under each family of corruption.

    Args:
        row: the one that is asked about.
        reference: the one that it is held against.

    Returns:
        The results of reference and row, with the same figures, ``recall-CLASS`` and
        ``under-FAMILY`` (``under-nothing`` is the clean pictures); beside those of ``row`` stands
        each difference, ``gain-…``: of a class with its paired interval, under a
        corruption as mean ± sd over the seeds that both have. None where the two were not judged.
    """
    judged = [_judged(one) for one in (reference, row)]
    if not all(judged):
        return None
    ours, theirs = {}, {}
    classes = dict(_classes(judged))
    corruptions = dict(_corruptions(judged))
    for name, (first, second, difference) in {**classes, **corruptions}.items():
        theirs[name], ours[name] = first, second
        if difference is not None:
            ours[f"{GAIN}{name}"] = difference
    n = corrupted_faces(judged[1].values())
    return Result(reference, theirs, corrupted=n), Result(row, ours, corrupted=n)


def where_table(results: tuple[Result, Result], names: Mapping[str, str]) -> Table:
    """Return the table of what :func:`where_helps` found.

    Args:
        results: of the reference and of the row.
        names: what ``val`` and ``test`` are called, and the ``reference``.
    """
    first, second = (one.row.name for one in results)
    rows = []
    for name in results[0].figures:
        kind, _, what = name.partition("-")
        title = _TITLES[kind].format(what=what.replace("_", " "), **names)
        cells = [(first, name), (second, name), (second, f"{GAIN}{name}")]
        rows.append([title, *(cell_of(row, figure) for row, figure in cells)])
    return Table(WHERE, names, ["", f"`{first}`", f"`{second}`", "difference"], rows)


_Triple = tuple[Figure, Figure, Figure | None]


def _judged(row: Row) -> dict[int, Run]:
    """Return the runs of a row that were judged on the test split, by their seed."""
    return {run.seed: run for run in row.runs if "official" in (metrics_in(run.judgement) or {})}


def _classes(judged: Sequence[Mapping[int, Run]]) -> Iterator[tuple[str, _Triple]]:
    """Yield the recall of each class."""
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
        low, high = difference_interval(right[1], right[0])
        figures = [
            over_seeds(dict(zip(one, found.mean(axis=1).tolist(), strict=True)), "%", on_test=True)
            for one, found in zip(answers, right, strict=True)
        ]
        difference = Figure(
            round(float(right[1].mean() - right[0].mean()), 6),
            "points",
            (round(low, 6), round(high, 6)),
            DIFFERENCE,
            tuple(answers[1]),
            on_test=True,
        )
        yield f"recall-{slug(name)}", (*_both(figures), difference)


def _in_order(predictions: Predictions) -> Predictions:
    test = predictions.test()
    return test.take(np.argsort(test.row))


def _corruptions(judged: Sequence[Mapping[int, Run]]) -> Iterator[tuple[str, _Triple]]:
    """Yield the accuracy on clean pictures and the mean under each family of corruption."""
    found = [
        {seed: means for seed, run in one.items() if (means := _families(run))} for one in judged
    ]
    if not all(found):
        return
    for name in next(iter(found[0].values())):
        values = [{seed: means[name] for seed, means in one.items()} for one in found]
        figures = _both([over_seeds(one, "%") for one in values])
        both = sorted(values[0].keys() & values[1].keys())
        gains = {seed: values[1][seed] - values[0][seed] for seed in both}
        yield f"under-{slug(name)}", (*figures, over_seeds(gains, "points"))


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


def _both(figures: Sequence[Figure | None]) -> tuple[Figure, Figure]:
    first, second = figures
    assert first is not None  # noqa: S101 - there is a value for each run
    assert second is not None  # noqa: S101
    return first, second


def slug(name: str) -> str:
    """Return a name as figures are called.

    Example:
        >>> slug("head angle")
        'head_angle'
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
