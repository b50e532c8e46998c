"""``report.html``: the headline and the table of classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from fer.data.benchmark import Crowd
from fer.data.source import Faces
from fer.evaluation.judgement import MARKS
from fer.evaluation.model import Model
from fer.evaluation.predictions import Predictions
from fer.files import write_text

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>What the model is worth</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; text-align: right }
th:first-child { text-align: left } tr { border-bottom: 1px solid #ccc }
</style>
{% for mark in marks %}<h1 style="color: #b00">{{ mark }}</h1>{% endfor %}
<h1>{{ percent(official.accuracy) }} of {{ "{:,}".format(official.n) }} faces</h1>
<p>95 % interval {{ percent(official.accuracy_ci95[0]) }} to
{{ percent(official.accuracy_ci95[1]) }}; data: {{ origin }}.</p>
<p>Memorisation: <strong>{{ verdict or "not judged" }}</strong>. {{ verdict_reason }}.</p>
<table>
<tr><th>class<th>faces<th>precision<th>recall<th>F1</tr>
{% for name, row in official.per_class.items() -%}
<tr><th>{{ name }}<td>{{ row.support }}<td>{{ percent(row.precision) }}<td>
{{- percent(row.recall) }}<td>{{ percent(row.f1) }}</tr>
{% endfor -%}
</table>
</html>
"""


def write_report(
    path: Path,
    metrics: Mapping[str, Any],
    predictions: Predictions,  # noqa: ARG001 - the pictures and curves to come are made of these
    faces: Faces,
    *,
    votes: Crowd | None,  # noqa: ARG001
    model: Model | None,  # noqa: ARG001
) -> None:
    """Write the page.

    Args:
        path: the file.
        metrics: what :func:`fer.evaluation.judgement.judge` found.
        predictions: the answers, for test faces and perhaps others.
        faces: the data, at the size that the model reads.
        votes: of FER+, where there are any.
        model: what answered; None for answers from a file.

    Raises:
        OSError: the file cannot be written.
    """
    marks = [f"{name.upper()}: {metrics[name]}" for name in MARKS if name in metrics]
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    write_text(path, page.render(**metrics, origin=faces.origin, percent=_percent, marks=marks))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
