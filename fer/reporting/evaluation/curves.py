"""The charts of an evaluation: precision and recall, reliability, robustness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from sklearn.metrics import average_precision_score

from fer.evaluation.calibration import BINS, reliability
from fer.evaluation.statistics import pr_curve
from fer.reporting.charts import Chart

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SHARES: Final = {0.0: "0 %", 0.5: "50 %", 1.0: "100 %"}
#: Points of a curve; more could not be seen.
_MAX_POINTS: Final = 200
#: Letters of a class name that fit above its chart.
_MAX_NAME: Final = 16
#: Classes that get a chart of their own.
MAX_CURVES: Final = 24


def precision_recall(label: Ints, probabilities: Floats, classes: Sequence[str]) -> list[Markup]:
    """Draw precision against recall for each class with faces; of more than 24, the largest."""
    support = np.bincount(label, minlength=len(classes))
    order = np.argsort(-support, kind="stable")[:MAX_CURVES]
    charts = []
    for i in sorted(int(i) for i in order if support[i]):
        precision, recall = pr_curve(label, probabilities, i)
        ap = average_precision_score(label == i, probabilities[:, i])
        chart = _small(f"{_short(classes[i])}: AP {ap:.2f}")
        chart.horizontal(support[i] / len(label), "rule")
        chart.line(_thinned(recall, precision))
        charts.append(chart.svg())
    return charts


def reliability_curves(
    label: Ints, probabilities: Floats, calibrated: Floats | None, errors: Sequence[float | None]
) -> list[Markup]:
    """Draw accuracy against probability, before and after temperature scaling.

    ``errors`` are the calibration errors of both, for the headings.
    """
    shown = [("as answered", probabilities)]
    if calibrated is not None:
        shown.append(("after temperature scaling", calibrated))
    charts = []
    for (name, p), error in zip(shown, errors, strict=False):
        chart = _small(name if error is None else f"{name}: ECE {error:.3f}", 440, 360)
        heights, edges = np.histogram(p.max(axis=1), bins=BINS, range=(0, 1))
        for left, right, height in zip(edges, edges[1:], heights / heights.max(), strict=False):
            chart.box((left, right), (0, 0.25 * height), "histogram")
        chart.line([(0, 0), (1, 1)], "rule")
        curve = reliability(label, p)
        points = list(zip(curve.confidence, curve.accuracy, strict=True))
        for confidence, accuracy in points:
            chart.vertical(confidence, confidence, accuracy, "miss")
        chart.line(points)
        chart.dots(points)
        charts.append(chart.svg())
    return charts


def robustness(result: Mapping[str, Any]) -> list[Markup]:
    """Draw accuracy against severity, one chart for each kind of corruption."""
    charts = []
    for name, kind in result["kinds"].items():
        # Severity 0 is the face as it is.
        points = list(enumerate([result["clean"], *kind["accuracy"]]))
        chart = Chart(
            f"{name.replace('_', ' ')}: {kind['mean']:.1%}",
            width=240, height=190, x=(0, 5), x_ticks={n: str(n) for n in range(6)},
            y_ticks=_SHARES, left=48, heading=True,
        )  # fmt: skip
        chart.horizontal(result["clean"], "rule")
        chart.line(points)
        chart.dots(points)
        charts.append(chart.svg())
    return charts


def _small(title: str, width: int = 240, height: int = 210) -> Chart:
    return Chart(
        title, width=width, height=height, x_ticks=_SHARES, y_ticks=_SHARES, left=48, heading=True
    )


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"


def _thinned(recall: Floats, precision: Floats) -> list[tuple[float, float]]:
    """Return the curve at evenly spread recalls, each with the precision of its last point."""
    if len(recall) > _MAX_POINTS:
        grid = np.linspace(0, 1, _MAX_POINTS)
        chosen = np.unique(np.searchsorted(recall, grid, side="right") - 1)
        chosen = chosen[chosen >= 0]
        recall, precision = recall[chosen], precision[chosen]
    return list(zip(recall.tolist(), precision.tolist(), strict=True))
