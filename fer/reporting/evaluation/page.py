"""``report.html``: an evaluation as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.core.io import write_text
from fer.core.labels import is_basic_seven
from fer.evaluation.evaluate import EvaluationInput, calibrated_probabilities
from fer.evaluation.gradcam import last_map, why_no_cam
from fer.evaluation.predictions import MARKS, Predictions
from fer.evaluation.statistics import confusion
from fer.inference.model import Model, network_of
from fer.reporting.environment import render
from fer.reporting.evaluation import curves
from fer.reporting.evaluation.examples import confident_errors, gradcam_examples

Row = dict[str, Any]

#: The largest confusion matrix that a page can show, in classes.
MAX_CLASSES: Final = 40

#: The verdict of :mod:`fer.evaluation.memorisation` in plain words.
VERDICTS: Final[Mapping[str, str]] = {
    "ok": "No sign that the test labels were known",
    "suspicious": "Perhaps some of the test labels were known",
    "leaked": "It answers as if it knew the test labels: don't rely on this number",
    "uninformative": "Too low an accuracy to judge",
    "": "Not judged",
}
_FOLLOWS: Final[Mapping[str, str]] = {
    "invalid": "No number on this page may be quoted as a score.",
    "not_comparable": "No number on this page may be compared with scores of other systems.",
}
_BRANCHES: Final[Mapping[str, str]] = {
    "backbone": "CNN, which reads the face as a picture (backbone)",
    "lstm": "LSTM, which reads it as a sequence (lstm)",
    "metadata": "metadata given with the face (metadata)",
}
_SLICES: Final[Mapping[str, str]] = {
    "brightness": "brightness (mean grey value, 0–255)",
    "contrast": "contrast (standard deviation of grey values)",
}
_NO_PICTURES = "the page was asked for without face pictures (report_pictures=false)"
_NO_CURVES = "the answers are labels without probabilities"


def write_report(
    path: Path,
    metrics: Mapping[str, Any],
    case: EvaluationInput,
    *,
    model: Model | None = None,
    pictures: bool = True,
) -> None:
    """Write the page of :func:`fer.evaluation.evaluate.evaluate_source`'s metrics.

    What can't be shown is left out with the reason; without ``pictures`` no face can be seen.
    """
    test = case.test()
    marks = {name: metrics[name] for name in MARKS if name in metrics}
    network = None if model is None else network_of(model)
    page = render(
        "evaluation/page.html",
        metrics=metrics,
        official=metrics["official"],
        names=case.names,
        pictures=pictures,
        marks=[
            {
                "word": name.upper().replace("_", " "),
                "why": f"by its training run, {why}",
                "follows": _FOLLOWS[name],
            }
            for name, why in marks.items()
        ],
        verdict=verdict_text(metrics["verdict"] or "", marks),
        reason=metrics["verdict_reason"].removeprefix("not judged: "),
        basic_seven=is_basic_seven(test.classes),
        made=None if model is None else _Recipe(model.made),
        commonest=_commonest(metrics),
        scores=_score_rows(metrics),
        classes=_class_rows(metrics),
        confusion=_confusion_rows(test.label, test.answer, test.classes),
        most_classes=MAX_CLASSES,
        slices=[
            {"title": _SLICES.get(name, name.removeprefix("metadata.")), "parts": parts}
            for name, parts in metrics["slices"].items()
        ],
        branches=_branch_rows(metrics.get("branches")),
        why_no_branches=metrics["unavailable"].get("branches", "they were not measured"),
        **_curves(metrics, test),
        robustness=_robustness(metrics, model),
        errors=confident_errors(case, test, pictures=pictures),
        wrong=int((~test.correct).sum()),
        why_no_errors=_NO_CURVES if test.probabilities is None else "no answer is wrong",
        **_gradcam(case, test, model, pictures=pictures),
        missing=_missing(metrics),
        origin=_without_folders(case.faces.origin),
        parameters=None if network is None else sum(p.numel() for p in network.parameters()),
        evaluated=_describe(model),
    )
    write_text(path, page)


class _Recipe(dict[str, Any]):
    """What a model says of its making; None for what it does not say."""

    def __missing__(self, key: str) -> None:
        return None


def verdict_text(verdict: str, marks: Mapping[str, str]) -> str:
    """Return the verdict in words, which never clears what is known to have seen test faces."""
    if "invalid" in marks and verdict != "leaked":
        return "It was trained on test faces, whether or not the check below can tell"
    return VERDICTS[verdict]


def _score_rows(metrics: Mapping[str, Any]) -> list[Row]:
    return [
        {"name": name, "of": of, "views": views, **blocks[name]}
        for views, blocks in (("single view", metrics), ("ten views", metrics["tta"]))
        for name, of in (("official", "all faces"), ("deduplicated", "without copies"))
        if blocks is not None and blocks[name] is not None
    ]


def _class_rows(metrics: Mapping[str, Any]) -> list[Row]:
    crowd = (metrics["crowd_accuracy"] or {}).get("per_class", {})
    table = metrics["official"]["per_class"]
    return [{"name": name, **row, "crowd": crowd.get(name)} for name, row in table.items()]


def _confusion_rows(
    label: npt.NDArray[np.int64], answer: npt.NDArray[np.int64], classes: Sequence[str]
) -> list[Row]:
    """Return a row a class; ``rate`` is the share of the true class, None where it has no faces."""
    if len(classes) > MAX_CLASSES:
        return []
    counts = confusion(label, answer, len(classes))
    rows = []
    for i, name in enumerate(classes):
        support = int(counts[i].sum())
        cells = [
            {
                "count": count,
                "rate": count / support if support else None,
                "answer": classes[j],
                "right": i == j,
            }
            for j, count in enumerate(counts[i].tolist())
        ]
        rows.append({"name": name, "support": support, "cells": cells})
    return rows


def _branch_rows(branches: Mapping[str, Any] | None) -> list[Row]:
    return [
        {
            **row,
            "title": _BRANCHES.get(name, name),
            "significant": not row["drop_ci95"][0] <= 0 <= row["drop_ci95"][1],
        }
        for name, row in (branches or {"branches": {}})["branches"].items()
    ]


def _missing(metrics: Mapping[str, Any]) -> list[Row]:
    """Return the figures that are not there, grouped by their reason."""
    reasons: dict[str, list[str]] = {}
    for name, why in metrics["unavailable"].items():
        reasons.setdefault(why, []).append(name)
    return [{"why": why, "names": names} for why, names in reasons.items()]


def _commonest(metrics: Mapping[str, Any]) -> Row:
    """Return the class with the most faces, and the accuracy of always answering it."""
    table = metrics["official"]["per_class"]
    name = max(table, key=lambda name: table[name]["support"])
    return {"name": name, "accuracy": table[name]["support"] / metrics["official"]["n"]}


def _curves(metrics: Mapping[str, Any], test: Predictions) -> dict[str, Any]:
    p = test.probabilities
    if p is None:
        return {"why_no_curves": _NO_CURVES}
    block = metrics["official"]
    return {
        "precision_recall": curves.precision_recall(test.label, p, test.classes),
        "reliability": curves.reliability_curves(
            test.label,
            p,
            calibrated_probabilities(test, metrics["temperature"]),
            (block["ece"], block["ece_calibrated"]),
        ),
        "why_no_curves": "",
        "left_out": max(0, len(test.classes) - curves.MAX_CURVES),
    }


def _robustness(metrics: Mapping[str, Any], model: Model | None) -> dict[str, Any]:
    found = metrics.get("robustness")
    if found is not None:
        return {"found": found, "charts": curves.robustness(found)}
    why = "it was not asked for: robustness=true measures it"
    if model is None:
        why = "changed faces have to be shown to the model itself, which a file of answers is not"
    return {"found": None, "why": why}


def _gradcam(
    case: EvaluationInput, test: Predictions, model: Model | None, *, pictures: bool
) -> dict[str, Any]:
    """Return the Grad-CAM examples, or why there are none."""
    why = why_no_cam(model) or ("" if pictures else _NO_PICTURES)
    if why or model is None:
        return {"right_examples": [], "wrong_examples": [], "why_no_cam": why, "layer": ""}
    right, wrong = gradcam_examples(case, test, model)
    network = network_of(model)
    found = None if network is None else last_map(network, model.size)
    layer = found[0] if found else ""
    return {"right_examples": right, "wrong_examples": wrong, "why_no_cam": "", "layer": layer}


def _without_folders(origin: str) -> str:
    """Return where the faces came from without the folders of whoever made the page."""
    path = PurePath(origin)
    return path.name if path.is_absolute() else origin


def _describe(model: Model | None) -> str:
    if model is None:
        return "answers from a file"
    described = getattr(model, "description", None)
    if isinstance(described, str):
        return described
    if precision := getattr(described, "precision", ""):
        return f"an exported model that computes in {precision}"
    return "a model" if network_of(model) is None else "a checkpoint of fer"
