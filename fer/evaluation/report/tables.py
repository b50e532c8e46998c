"""The tables of the page: scores, classes, confusions, slices, branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.evaluation.statistics import confusion

Ints = npt.NDArray[np.int64]
Row = dict[str, Any]

#: Classes of a confusion matrix that a page can show.
MOST_CLASSES: Final = 40

#: What people call the branches of a network.
BRANCHES: Final[Mapping[str, str]] = {
    "backbone": "CNN, which reads the face as a picture (backbone)",
    "lstm": "LSTM, which reads it as a sequence (lstm)",
    "metadata": "what is known beside the face (metadata)",
}

_SLICES: Final[Mapping[str, str]] = {
    "brightness": "brightness (mean grey value, 0–255)",
    "contrast": "contrast (standard deviation of grey values)",
}


def score_rows(metrics: Mapping[str, Any]) -> list[Row]:
    """Return the blocks of figures: official and deduplicated, in a single view and in ten."""
    return [
        {"name": name, "of": of, "views": views, **blocks[name]}
        for views, blocks in (("single view", metrics), ("ten views", metrics["tta"]))
        for name, of in (("official", "all faces"), ("deduplicated", "without copies"))
        if blocks is not None and blocks[name] is not None
    ]


def class_rows(metrics: Mapping[str, Any]) -> list[Row]:
    """Return precision, recall, F1 and faces of each class, and the crowd's accuracy beside it."""
    crowd = (metrics["crowd_accuracy"] or {}).get("per_class", {})
    table = metrics["official"]["per_class"]
    return [{"name": name, **row, "crowd": crowd.get(name)} for name, row in table.items()]


def confusion_rows(label: Ints, answer: Ints, classes: Sequence[str]) -> list[Row]:
    """Return the confusion matrix: ``name``, ``support`` and ``cells`` of ``count`` and ``rate``.

    A rate is the share of the true class; None for a class that has no faces.
    """
    counts = confusion(label, answer, len(classes))
    rows = []
    for position, name in enumerate(classes):
        support = int(counts[position].sum())
        cells = [
            {
                "count": count,
                "rate": count / support if support else None,
                "answer": classes[i],
                "right": i == position,
            }
            for i, count in enumerate(counts[position].tolist())
        ]
        rows.append({"name": name, "support": support, "cells": cells})
    return rows


def slice_groups(metrics: Mapping[str, Any]) -> list[Row]:
    """Return the slices: ``title`` and ``parts``, each with its words, n, accuracy, interval."""
    groups = []
    for name, parts in metrics["slices"].items():
        column = name.removeprefix("metadata.")
        groups.append({"title": _SLICES.get(name, column), "parts": parts})
    return groups


def branch_rows(found: Mapping[str, Any] | None) -> list[Row]:
    """Return what each branch adds: ``title``, ``accuracy``, ``drop``, ``drop_ci95``, ``sure``.

    ``sure`` says whether the interval leaves out zero.
    """
    if found is None:
        return []
    return [
        {
            **row,
            "title": BRANCHES.get(name, name),
            "sure": not row["drop_ci95"][0] <= 0 <= row["drop_ci95"][1],
        }
        for name, row in found["branches"].items()
    ]


def missing(metrics: Mapping[str, Any]) -> list[Row]:
    """Return what is not there by its reason: ``why`` and ``names``."""
    reasons: dict[str, list[str]] = {}
    for name, why in metrics["unavailable"].items():
        reasons.setdefault(why, []).append(name)
    return [{"why": why, "names": names} for why, names in reasons.items()]


def commonest(metrics: Mapping[str, Any]) -> Row:
    """Return the class with the most faces, and what answering it always would score."""
    table = metrics["official"]["per_class"]
    name = max(table, key=lambda one: table[one]["support"])
    return {"name": name, "accuracy": table[name]["support"] / metrics["official"]["n"]}
