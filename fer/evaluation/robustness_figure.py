"""The figure of robustness: a curve a kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fer.core.io import atomic_write

_CURVE, _CLEAN = "#0b62a4", "#7f8c9b"
_COLUMNS: Final = 4


def plot_robustness(result: Mapping[str, Any], title: str, path: Path) -> None:
    """Draw accuracy against severity, a small plot for each kind, as PNG or SVG.

    Args:
        result: of :func:`fer.evaluation.robustness.measure`.
        title: above the figure; the mean and its ratio are written behind it.
        path: of the file, whose suffix says the format.
    """
    kinds: Mapping[str, Mapping[str, Any]] = result["kinds"]
    columns = min(_COLUMNS, len(kinds))
    lines = math.ceil(len(kinds) / columns)
    figure = Figure(figsize=(2.3 * columns + 0.6, 2.0 * lines + 0.9), layout="constrained")
    ratio = "" if result["ratio"] is None else f", {result['ratio']:.2f} of the clean accuracy"
    figure.suptitle(
        f"{title}\nmean under corruption {result['mean']:.1%}{ratio} ({result['n']:,} faces)",
        size=11,
    )
    plots = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for place, (name, kind) in enumerate(kinds.items()):
        axes = plots[place]
        # Severity 0 is the face as it is, where every curve begins.
        axes.plot(range(6), [result["clean"], *kind["accuracy"]], color=_CURVE, marker="o", ms=3)
        axes.axhline(result["clean"], color=_CLEAN, lw=0.8, ls=":")
        axes.set_title(f"{name.replace('_', ' ')}: {kind['mean']:.1%}", size=10)
        axes.set_xticks(range(6), ["clean", *map(str, range(1, 6))], size=9)
        # The lowest of its column says it for those above.
        axes.tick_params("x", labelbottom=place + columns >= len(kinds))
        axes.tick_params("y", labelsize=9)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in plots[len(kinds) :]:
        axes.set_visible(False)
    figure.supxlabel("severity", size=10)
    figure.supylabel("accuracy", size=10)
    with atomic_write(path) as beside:
        figure.savefig(beside, dpi=130)
