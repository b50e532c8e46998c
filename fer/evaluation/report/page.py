"""``report.html``: the judgement as one page that needs nothing outside itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from fer import __version__
from fer.core.io import write_text
from fer.evaluation.gradcam import last_map, why_no_cam
from fer.evaluation.judgement import MARKS, Case, calibrated_probabilities
from fer.evaluation.predictions import Predictions
from fer.evaluation.report import charts, numbers, tables, words
from fer.evaluation.report.examples import confident_errors, looked_at
from fer.inference.model import Model, network_of

_NO_PICTURES = "the page was asked for without face pictures (report_pictures=false)"
_NO_CURVES = "the answers are labels without probabilities"


def write_report(
    path: Path,
    metrics: Mapping[str, Any],
    case: Case,
    *,
    model: Model | None = None,
    pictures: bool = True,
) -> None:
    """Write the page.

    What can't be shown is left out with the reason in words.

    Args:
        path: the file.
        metrics: what :func:`fer.evaluation.judgement.judge` found of the case, and perhaps
            ``robustness`` and ``branches``.
        case: what was judged.
        model: what answered; None for answers from a file.
        pictures: show faces; without, no face can be seen in the page.

    Raises:
        OSError: the file cannot be written.
        ValueError: the predictions are not of the test faces, each once.
    """
    environment = Environment(
        loader=PackageLoader("fer.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("percent", "points", "number", "count"):
        environment.filters[name] = getattr(numbers, name)
    page = environment.get_template("page.html")
    write_text(path, page.render(_context(metrics, case, model, pictures=pictures)))


def _context(
    metrics: Mapping[str, Any], case: Case, model: Model | None, *, pictures: bool
) -> dict[str, Any]:
    """Return what the templates show."""
    test = case.test()
    marks = {name: metrics[name] for name in MARKS if name in metrics}
    return {
        "metrics": metrics,
        "official": metrics["official"],
        "names": case.names,
        "pictures": pictures,
        "marks": words.mark_lines(marks),
        "verdict": words.acquitted(metrics["verdict"] or "", marks),
        "reason": metrics["verdict_reason"].removeprefix("not judged: "),
        "check": words.CHECK if metrics["verdict"] else "",
        "meaning": words.meaning(test.classes, case.names),
        "protocol": words.protocol(
            metrics, case.names, made=None if model is None else model.made, marked=bool(marks)
        ),
        "commonest": tables.commonest(metrics),
        "scores": tables.score_rows(metrics),
        "classes": tables.class_rows(metrics),
        "confusion": _confusion(test),
        "most_classes": tables.MOST_CLASSES,
        "slices": tables.slice_groups(metrics),
        "branches": tables.branch_rows(metrics.get("branches")),
        "why_no_branches": metrics["unavailable"].get("branches", "they were not measured"),
        **_curves(metrics, test),
        "robustness": _robustness(metrics, model),
        "errors": confident_errors(case, test, pictures=pictures),
        "wrong": int((~test.correct).sum()),
        "why_no_errors": _NO_CURVES if test.probabilities is None else "no answer is wrong",
        **_looks(case, test, model, pictures=pictures),
        "missing": tables.missing(metrics),
        "origin": _origin(case.faces.origin),
        "version": __version__,
        "parameters": _parameters(model),
        "judged": _judged(model),
    }


def _confusion(test: Predictions) -> list[tables.Row]:
    if len(test.classes) > tables.MOST_CLASSES:
        return []
    return tables.confusion_rows(test.label, test.answer, test.classes)


def _curves(metrics: Mapping[str, Any], test: Predictions) -> dict[str, Any]:
    p = test.probabilities
    if p is None:
        return {"precision_recall": None, "reliability": None, "why_no_curves": _NO_CURVES}
    block = metrics["official"]
    return {
        "precision_recall": charts.precision_recall(test.label, p, test.classes),
        "reliability": charts.reliability_curves(
            test.label,
            p,
            calibrated_probabilities(test, metrics["temperature"]),
            (block["ece"], block["ece_calibrated"]),
        ),
        "why_no_curves": "",
        "left_out": max(0, len(test.classes) - charts.MOST_CURVES),
    }


def _robustness(metrics: Mapping[str, Any], model: Model | None) -> dict[str, Any]:
    found = metrics.get("robustness")
    if found is not None:
        return {"found": found, "figure": charts.robustness(found)}
    why = "it was not asked for: robustness=true measures it"
    if model is None:
        why = "changed faces have to be shown to the model itself, which a file of answers is not"
    return {"found": None, "why": why}


def _looks(case: Case, test: Predictions, model: Model | None, *, pictures: bool) -> dict[str, Any]:
    """Return the Grad-CAM examples, or why there are none."""
    why = why_no_cam(model) or ("" if pictures else _NO_PICTURES)
    if why or model is None:
        return {"right_examples": [], "wrong_examples": [], "why_no_cam": why, "layer": ""}
    right, wrong = looked_at(case, test, model)
    network = network_of(model)
    found = None if network is None else last_map(network, model.size)
    layer = found[0] if found else ""
    return {"right_examples": right, "wrong_examples": wrong, "why_no_cam": "", "layer": layer}


def _origin(origin: str) -> str:
    """Return where the faces came from without the folders of whoever made the page."""
    path = PurePath(origin)
    return path.name if path.is_absolute() else origin


def _judged(model: Model | None) -> str:
    if model is None:
        return "answers from a file"
    described = getattr(model, "description", None)
    if isinstance(described, str):
        return described
    if precision := getattr(described, "precision", ""):
        return f"an exported model that computes in {precision}"
    return "a model" if network_of(model) is None else "a checkpoint of fer"


def _parameters(model: Model | None) -> int | None:
    network = None if model is None else network_of(model)
    return None if network is None else sum(p.numel() for p in network.parameters())
