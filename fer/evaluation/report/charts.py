"""The curves of the page, as SVG within data URIs: sharp at any size, and nothing beside the page.

Text is drawn as paths, so that a figure looks the same wherever it is opened.
"""

from __future__ import annotations

import base64
import math
import tempfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import average_precision_score

from fer.evaluation.calibration import BINS, reliability
from fer.evaluation.robustness_figure import plot_robustness
from fer.evaluation.statistics import pr_curve

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CURVE, _QUIET, _FAINT, _GAP = "#0b62a4", "#7f8c9b", "#d5dce4", "#c8553d"
#: Ids within a figure begin with a hash of this: the same figure is the same text.
_STYLE: Final[dict[Any, Any]] = {"svg.hashsalt": "fer", "font.size": 10, "axes.titlesize": 10}
_COLUMNS: Final = 4
#: Points of a curve; more could not be seen.
_POINTS: Final = 200
#: Letters of a class's name that fit above its plot.
_LONGEST: Final = 16
#: Classes that get a plot of their own.
MOST_CURVES: Final = 24


def precision_recall(label: Ints, probabilities: Floats, classes: Sequence[str]) -> str:
    """Draw precision against recall, a small plot for each class that has faces.

    Args:
        label: int64 ``[N]``.
        probabilities: float64 ``[N, C]``.
        classes: C names; of more than 24 those with the most faces are drawn.

    Returns:
        A data URI.
    """
    support = np.bincount(label, minlength=len(classes))
    order = np.argsort(-support, kind="stable")[:MOST_CURVES]
    drawn = sorted(int(i) for i in order if support[i])
    columns = min(_COLUMNS, len(drawn))
    lines = math.ceil(len(drawn) / columns)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(2.4 * columns + 0.5, 2.15 * lines + 0.45), layout="constrained")
        plots = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for place, (axes, position) in enumerate(zip(plots, drawn, strict=False)):
            precision, recall = pr_curve(label, probabilities, position)
            score = average_precision_score(label == position, probabilities[:, position])
            share = float((label == position).mean())
            axes.axhline(share, color=_QUIET, lw=1, ls=":")
            axes.plot(*_thinned(recall, precision), color=_CURVE, lw=1.5)
            # A dollar in a class's name would begin a formula.
            axes.set_title(f"{_short(classes[position])}: AP {score:.2f}", parse_math=False)
            axes.set_xlim(0, 1)
            axes.set_xticks((0, 0.5, 1))
            axes.set_ylim(0, 1.03)
            axes.tick_params("x", labelbottom=place + columns >= len(drawn))
            _tidy(axes)
        for axes in plots[len(drawn) :]:
            axes.set_visible(False)
        figure.supxlabel("recall", size=10)
        figure.supylabel("precision", size=10)
        return _svg(figure)


def reliability_curves(
    label: Ints, probabilities: Floats, calibrated: Floats | None, errors: Sequence[float | None]
) -> str:
    """Draw how often answers are right against how sure they are, before and after temperature.

    Args:
        label: int64 ``[N]``.
        probabilities: float64 ``[N, C]``.
        calibrated: the same after temperature scaling, or None.
        errors: the calibration error of each, for the titles.

    Returns:
        A data URI.
    """
    shown = [("as answered", probabilities)]
    if calibrated is not None:
        shown.append(("after temperature scaling", calibrated))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.6 * len(shown) + 0.3, 4.8), layout="constrained")
        plots = figure.subplots(
            2, len(shown), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1)
        )
        for column, (name, p) in enumerate(shown):
            above, below = plots[:, column]
            curve = reliability(label, p)
            above.plot([0, 1], [0, 1], color=_QUIET, lw=1, ls=":", label="perfectly calibrated")
            above.vlines(
                curve.confidence, curve.confidence, curve.accuracy, color=_GAP, lw=2, label="gap"
            )
            above.plot(
                curve.confidence, curve.accuracy, color=_CURVE, marker="o", ms=4, label="measured"
            )
            error = errors[column]
            above.set_title(name if error is None else f"{name}: ECE {error:.3f}")
            above.set_ylim(0, 1.03)
            below.hist(p.max(axis=1), bins=BINS, range=(0, 1), color=_FAINT, edgecolor=_QUIET)
            below.set_xlim(0, 1)
            below.set_xlabel("probability of the answer")
            for axes in (above, below):
                _tidy(axes, percent=axes is above)
        plots[0, 0].set_ylabel("share of right answers")
        plots[1, 0].set_ylabel("faces")
        plots[0, 0].legend(frameon=False, loc="upper left")
        return _svg(figure)


def robustness(result: Mapping[str, Any]) -> str:
    """Return the figure of :func:`fer.evaluation.robustness_figure.plot_robustness`.

    Returns:
        A data URI.
    """
    with tempfile.TemporaryDirectory() as folder, mpl.rc_context(_STYLE):
        path = Path(folder) / "robustness.svg"
        plot_robustness(result, f"accuracy on {result['split']}, corrupted", path)
        return _uri(path.read_bytes())


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _thinned(recall: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """Return the curve at evenly spread recalls, each with the precision of its last point."""
    if len(recall) <= _POINTS:
        return recall, precision
    chosen = np.unique(np.searchsorted(recall, np.linspace(0, 1, _POINTS), side="right") - 1)
    chosen = chosen[chosen >= 0]
    return recall[chosen], precision[chosen]


def _tidy(axes: Axes, *, percent: bool = True) -> None:
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _svg(figure: Figure) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _uri(buffer.getvalue())


def _uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
