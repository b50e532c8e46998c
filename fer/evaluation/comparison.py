"""Whether one model is better than another by more than chance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from scipy.stats import t as student

from fer.evaluation.predictions import MARKS, Predictions, PredictionsError

Bools = npt.NDArray[np.bool_]

#: How a difference's interval is found, in words.
DIFFERENCE: Final = "paired t interval over faces and seeds"

_LISTED = 10
#: The p-value from which a difference may be chance.
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class ModelRuns:
    """A model to compare, with the predictions of each seed and warnings such as ``INVALID``."""

    name: str
    seeds: Sequence[Predictions]
    warnings: Sequence[str] = ()


def warnings_of(path: Path) -> list[str]:
    """Return the warnings in the ``metrics.json``, if any, of an evaluation's folder or file."""
    known = _metrics(path)
    words = [name.upper().replace("_", " ") for name in MARKS if known.get(name)]
    return words + [v for v in [known.get("verdict")] if v in {"leaked", "suspicious"}]


def marks_of(named: Mapping[str, Sequence[Path]]) -> dict[str, str]:
    """Return the marks of compared models, with their names: they mark the comparison.

    Args:
        named: by the name of a model the evaluations of its seeds, folders or files in them.
    """
    found: dict[str, str] = {}
    for mark in MARKS:
        whys = {name: [_metrics(p).get(mark) for p in paths] for name, paths in named.items()}
        marked = [f"{name} ({next(filter(None, why))})" for name, why in whys.items() if any(why)]
        if marked:
            found[mark] = "; ".join(marked)
    return found


def _metrics(path: Path) -> Mapping[str, Any]:
    file = (path if path.is_dir() else path.parent) / "metrics.json"
    if not file.is_file():
        return {}
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(known, dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise PredictionsError(
            f"{file} can't be read ({error})", code="not_metrics", where=str(file)
        ) from error
    return known


def mcnemar(first: Bools, second: Bools) -> float:
    """Return the p-value of McNemar's exact test of two models on the same faces (McNemar 1947).

    Both arrays are bool ``[N]``: where a model is right. 1 where both are right on the same faces.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def difference_interval(first: Bools, second: Bools) -> tuple[float, float]:
    """Return the 95 % interval of a paired difference of accuracies, over seeds and faces.

    The variances over faces (paired) and over each model's seeds are added, and Student's t has the
    degrees of freedom of Welch (1947) and Satterthwaite (1946). Resampling two or three seeds
    would give intervals that are too narrow: ``python -m benchmarks.false_differences``. What
    seeds and faces share counts twice, which errs towards the wide side.

    A model of one seed is taken to vary as the other's seeds do. Of one seed each, the interval is
    over faces alone, and says nothing of other seeds.

    Args:
        first: bool ``[S, N]``: where each of the seeds of one model is right.
        second: bool ``[T, N]``, the same faces, of the other.
    """
    n = first.shape[1]
    if n < 2:
        return -1.0, 1.0
    each = first.mean(axis=0) - second.mean(axis=0)
    parts = [(each.var(ddof=1) / n, n - 1)]
    seeds = [(s.mean(axis=1).var(ddof=1), len(s)) for s in (first, second) if len(s) > 1]
    if len(seeds) == 2:
        parts += [(variance / count, count - 1) for variance, count in seeds]
    elif seeds:
        ((variance, count),) = seeds
        parts.append((variance * (1 + 1 / count), count - 1))
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return float(each.mean()), float(each.mean())
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in parts)
    half = student.ppf(0.975, freedom) * np.sqrt(total)
    low, high = np.clip([each.mean() - half, each.mean() + half], -1, 1)
    return float(low), float(high)


def compare(contenders: Sequence[ModelRuns]) -> dict[str, Any]:
    """Compare each two of some models by their accuracy on the test split.

    Returns:
        ``n``; ``models``: ``name``, ``warnings``, ``seeds``, ``accuracies``, ``mean``, ``sd`` over
        seeds (None of one); ``pairs``: ``first``, ``second``, ``difference``, ``difference_ci95``
        (see :func:`difference_interval`), ``mcnemar_p`` (None over seeds), ``verdict`` in words.

    Raises:
        PredictionsError: the predictions are of other faces, labels or classes.
    """
    names = [one.name for one in contenders]
    model = contenders[0].seeds[0].test()
    correct = [
        np.stack([_aligned(p, model, one.name, names[0]) for p in one.seeds]) for one in contenders
    ]
    pairs = []
    for i, j in combinations(range(len(names)), 2):
        low, high = difference_interval(correct[i], correct[j])
        single = len(correct[i]) == len(correct[j]) == 1
        p = mcnemar(correct[i][0], correct[j][0]) if single else None
        pairs.append(
            {
                "first": names[i],
                "second": names[j],
                "difference": float(correct[i].mean() - correct[j].mean()),
                "difference_ci95": [low, high],
                "mcnemar_p": p,
                "verdict": _verdict(contenders[i], contenders[j], low, high, p),
            }
        )
    return {
        "n": len(model),
        "models": [_summary(one, found) for one, found in zip(contenders, correct, strict=True)],
        "pairs": pairs,
    }


def comparison_table(found: dict[str, Any]) -> str:
    """Return what :func:`compare` found as lines to read."""
    width = max(len(one["name"]) for one in found["models"])
    lines = [f"accuracy on the test split, {found['n']:,} faces"]
    for one in found["models"]:
        sd = one["sd"]
        spread = "" if sd is None else f" ± {100 * sd:.2f} points (sd over {one['seeds']} seeds)"
        warning = "".join(f"  {word}" for word in one["warnings"])
        lines.append(f"  {one['name']:<{width}}  {one['mean']:.2%}{spread}{warning}")
    for pair in found["pairs"]:
        low, high = pair["difference_ci95"]
        test = "" if pair["mcnemar_p"] is None else f", McNemar p = {pair['mcnemar_p']:.3g}"
        lines.append(
            f"{pair['first']} − {pair['second']}: {100 * pair['difference']:+.2f} points "
            f"(95 % interval {100 * low:+.2f} to {100 * high:+.2f}{test}): {pair['verdict']}"
        )
    return "\n".join(lines) + "\n"


def _summary(model: ModelRuns, correct: Bools) -> dict[str, Any]:
    accuracies = correct.mean(axis=1)
    return {
        "name": model.name,
        "warnings": sorted(set(model.warnings)),
        "seeds": len(accuracies),
        "accuracies": accuracies.tolist(),
        "mean": float(accuracies.mean()),
        "sd": float(accuracies.std(ddof=1)) if len(accuracies) > 1 else None,
    }


def _verdict(first: ModelRuns, second: ModelRuns, low: float, high: float, p: float | None) -> str:
    for one in (first, second):
        if "INVALID" in one.warnings:
            return f"can't be told, since {one.name} is INVALID"
    # Of few faces the exact test and the interval may differ: then nothing is sure.
    if low <= 0 <= high or (p is not None and p >= _LEVEL):
        return "not told apart"
    # Another seed may move an accuracy by more than the faces do.
    alone = " (one seed each: of these two trainings alone)" if p is not None else ""
    return f"{first.name if low > 0 else second.name} is better{alone}"


def _aligned(predictions: Predictions, model: Predictions, name: str, other: str) -> Bools:
    """Return where the answers are right, in the order of another model's faces."""
    mine = predictions.test()
    if mine.classes != model.classes:
        raise PredictionsError(
            f"{name} has the classes {', '.join(mine.classes)}, {other} has "
            f"{', '.join(model.classes)}: they can't be compared",
            code="classes_differ",
            where=name,
        )
    apart = np.setxor1d(mine.row, model.row)
    if len(mine) != len(model) or len(apart) or len(mine) == 0:
        shown = ", ".join(map(str, apart[:_LISTED].tolist()))
        raise PredictionsError(
            f"{name} has {len(mine):,} test faces and {other} has {len(model):,}; they must be the "
            f"same rows, each once{f' (rows of one alone: {shown})' if shown else ''}",
            code="rows_differ",
            where=name,
        )
    mine = mine.take(np.argsort(mine.row))
    ours = model.take(np.argsort(model.row))
    different = ours.row[mine.label != ours.label]
    if len(different):
        shown = ", ".join(map(str, different[:_LISTED].tolist()))
        raise PredictionsError(
            f"{name} and {other} have other labels for {len(different):,} faces (rows {shown}): "
            "they were evaluated on different data",
            code="labels_differ",
            where=name,
        )
    return mine.correct
