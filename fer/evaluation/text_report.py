"""An evaluation in a dozen lines, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fer.evaluation.predictions import MARKS


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Return what :func:`fer.evaluation.evaluate.evaluate_predictions` found as lines to read."""
    official = metrics["official"]
    width = max(len(name) for name in official["per_class"])
    lines = ["", f"{metrics['split']:<{width}}  precision  recall     F1  faces"]
    for name, row in official["per_class"].items():
        numbers = (row["precision"], row["recall"], row["f1"])
        shown = [f"{'–':>6}" if v is None else f"{v:6.3f}" for v in numbers]
        lines.append(f"{name:<{width}}     {shown[0]}  {shown[1]} {shown[2]} {row['support']:6,}")
    lines.append(_line("accuracy", official))
    if metrics["deduplicated"] is not None:
        lines.append(
            _line("without exact copies of training or validation faces", metrics["deduplicated"])
        )
    if metrics["tta"] is not None:
        lines.append(_line("with ten views", metrics["tta"]["official"]))
    balanced = official["balanced_accuracy"]
    lines.append(f"macro-F1 {official['macro_f1']:.4f}, balanced accuracy {balanced:.4f}")
    if official["ece"] is not None:
        after = official["ece_calibrated"]
        scaled = "" if after is None else f", {after:.4f} after temperature scaling"
        lines.append(
            f"calibration error {official['ece']:.4f}{scaled} ({official['ece_null']:.4f} "
            "by chance alone)"
        )
    verdict = metrics["verdict"] or "no verdict"
    lines.append(f"memorisation: {verdict} ({metrics['verdict_reason']})")
    if why := metrics["unavailable"].get("metadata"):
        lines.append(f"metadata: {why}")
    if "robustness" in metrics:
        found = metrics["robustness"]
        lines.append(
            f"under corruption: {found['mean']:.2%} in the mean, {found['clean']:.2%} without "
            f"({found['n']:,} faces of {found['split']})"
        )
    # Last, so that nobody who reads the numbers misses it.
    return "\n".join(lines) + "\n" + mark_lines(metrics)


def mark_lines(marks: Mapping[str, Any]) -> str:
    """Return a line for each mark of a model that no number should come of."""
    return "".join(
        f"{name.upper().replace('_', ' ')}, by its training run: {marks[name]}\n"
        for name in MARKS
        if name in marks
    )


def _line(what: str, block: Mapping[str, Any]) -> str:
    low, high = block["accuracy_ci95"]
    return (
        f"{what}: {block['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%}, "
        f"{block['n']:,} faces)"
    )
