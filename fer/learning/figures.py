"""Figures of a run: curves of accuracy and loss, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fer.core.io import atomic_write

_TRAIN, _VAL = "#7f8c9b", "#0b62a4"


def plot_curves(epochs: Sequence[Mapping[str, float]], title: str, path: Path) -> None:
    """Draw accuracy and loss of training and validation over the epochs as a PNG.

    They are what Figures 5 and 6 of Daniyal et al. (2024) show.

    Args:
        epochs: one mapping an epoch with ``epoch``, ``train/acc``, ``val/acc``, ``train/loss``,
            ``val/loss``; those that are absent are left out of the curve.
        title: above the figure.
        path: of the PNG.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(title)
    for axes, (name, label) in zip(
        figure.subplots(1, 2), {"acc": "accuracy", "loss": "loss"}.items(), strict=True
    ):
        for split, words, color in (("train", "training", _TRAIN), ("val", "validation", _VAL)):
            key = f"{split}/{name}"
            points = [(epoch["epoch"], epoch[key]) for epoch in epochs if key in epoch]
            if points:
                # A single epoch is a point, which a line would not show.
                axes.plot(*zip(*points, strict=True), color=color, marker="o", ms=3, label=words)
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if name == "acc":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
            validated = [epoch for epoch in epochs if "val/acc" in epoch]
            if validated:
                best = max(validated, key=lambda epoch: epoch["val/acc"])
                axes.axhline(best["val/acc"], color=_VAL, lw=0.8, ls=":")
                axes.set_title(
                    f"best {best['val/acc']:.1%} after epoch {best['epoch']:.0f}", size=10
                )
        if axes.lines:
            axes.legend(frameon=False)
    _save(figure, path)


def plot_confusion(
    counts: npt.NDArray[np.integer], classes: Sequence[str], title: str, path: Path
) -> None:
    """Draw a confusion matrix as a PNG: the share of each true class, and the counts.

    Args:
        counts: ``[C, C]``; rows are true classes, columns are answers.
        classes: their names.
        title: above the figure.
        path: of the PNG.
    """
    totals = counts.sum(axis=1, keepdims=True)
    # A class that never occurs has no rates.
    rates = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = max(5.0, 0.85 * len(classes) + 1.8)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(rates, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, [f"{name} ({n})" for name, n in zip(classes, totals[:, 0], strict=True)])
    axes.set_xlabel("answer")
    axes.set_ylabel("true class (number of faces)")
    axes.set_title(title)
    if len(classes) <= 20:
        for (row, column), rate in np.ndenumerate(rates):
            axes.text(
                column,
                row,
                f"{rate:.0%}\n{counts[row, column]}",
                ha="center",
                va="center",
                size=8,
                color="white" if rate > 0.55 else "black",
            )
    figure.colorbar(
        image, format=PercentFormatter(1.0), shrink=0.8, label="share of the true class"
    )
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with atomic_write(path) as beside:
        figure.savefig(beside, dpi=130)
