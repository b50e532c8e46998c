"""``session.html``: what a group showed over time, and what the numbers are worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from markupsafe import Markup

from fer.core.labels import EMOTIONS
from fer.core.text import format_duration
from fer.live.aggregation import VALENCE, WITHHELD, TurningPoint, Window
from fer.live.aggregation.capping import EXACT
from fer.live.aggregation.changepoints import mean_shares, mean_valence
from fer.reporting.charts import Chart, steps
from fer.reporting.environment import render
from fer.reporting.session.record import Record

#: Columns of a figure; of longer sessions neighbouring windows are drawn as their mean.
_COLUMNS: Final = 320
#: Steps of the time axis in seconds; the first with at most ten labels is taken.
_STEPS: Final = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400)
#: The smallest change of a share that the table of turning points lists.
_LISTED: Final = 0.05


def session_page(record: Record) -> str:
    """Return the page of a session as HTML."""
    aggregator, told = record.aggregator, record.told
    index = aggregator.measures.index
    values = [w.index for w in told if w.index is not None]
    confidences = [w.confidence for w in told if w.confidence is not None]
    points = record.turning()
    return render(
        "session.html",
        record=record,
        tracks=aggregator.tracks,
        face_seconds=aggregator.face_seconds,
        told_share=_seconds(told) / record.seconds if record.seconds else 0,
        valence=mean_valence(record.windows),
        least=aggregator.cohort.least,
        exact=EXACT,
        window=f"{aggregator.seconds:g}",
        overall=mean_shares(record.windows),
        colors={name: color_of(name, record.classes) for name in record.classes},
        shares_chart=_shares_chart(record.windows, record.classes, points),
        valence_chart=(
            _valence_chart(record.windows, points) if aggregator.measures.has_valence else None
        ),
        points=[(point, _moves(point)) for point in points],
        coverage_chart=_coverage_chart(record.windows),
        withheld=[
            (seconds, WITHHELD[reason].format(least=aggregator.cohort.least))
            for reason, seconds in record.withheld()
        ],
        confidence=sum(confidences) / len(confidences) if confidences else None,
        few=_seconds([w for w in told if w.counts is not None]),
        exchanges=len({w.generation for w in told}) - 1,
        index=index,
        index_mean=sum(values) / len(values) if values else None,
        mapping=", ".join(f"{name} {value:+.2f}" for name, value in VALENCE.items()),
    )


def color_of(name: str, classes: Sequence[str]) -> str:
    """Return the style sheet's class for the colour of one of a model's classes."""
    if name in EMOTIONS:
        return name
    others = [other for other in classes if other not in EMOTIONS]
    return EMOTIONS[others.index(name) % len(EMOTIONS)]


def _seconds(windows: Sequence[Window]) -> float:
    return sum(window.end - window.start for window in windows)


def _moves(point: TurningPoint) -> list[tuple[str, float, float]]:
    """Return the three shares that changed most: name, before, after."""
    moves = [(name, point.before[name], after) for name, after in point.after.items()]
    moves.sort(key=lambda move: -abs(move[2] - move[1]))
    return [move for move in moves[:3] if abs(move[2] - move[1]) >= _LISTED]


def _shares_chart(
    windows: Sequence[Window], classes: Sequence[str], points: Sequence[TurningPoint]
) -> Markup:
    """Return the shares of the classes over time, stacked."""
    labels = {v: f"{100 * v:.0f} %" for v in (0, 0.25, 0.5, 0.75, 1)}
    chart = _time_chart("Shares of the emotions over time", windows, 280, (0, 1), labels)
    _draw_gaps(chart, windows, (0, 1))
    for run in _drawn(windows):
        spans = [(w.start, w.end) for w in run]
        low = [0.0] * len(run)
        for name in classes:
            high = [a + (w.shares or {})[name] for a, w in zip(low, run, strict=True)]
            if high != low:
                chart.area(steps(spans, high) + steps(spans, low)[::-1], color_of(name, classes))
            low = high
    return _with_points(chart, points)


def _valence_chart(windows: Sequence[Window], points: Sequence[TurningPoint]) -> Markup:
    labels = {v: f"{v:+.1f}" for v in (-1, -0.5, 0, 0.5, 1)}
    chart = _time_chart("Mean valence over time", windows, 200, (-1, 1), labels)
    _draw_gaps(chart, windows, (-1, 1))
    for run in _drawn(windows):
        chart.line(steps([(w.start, w.end) for w in run], [w.valence or 0 for w in run]))
    return _with_points(chart, points)


def _coverage_chart(windows: Sequence[Window]) -> Markup:
    """Return how many faces were in sight, and how many of those counted were read."""
    top = max([1, *(max(w.faces_max, w.faces) for w in windows)])
    step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if top / n <= 5)
    title = "Faces in sight, and how many of those counted were read"
    labels: dict[float, str] = {n: str(n) for n in range(0, top + 1, step)}
    chart = _time_chart(title, windows, 160, (0, top), labels)
    for run in _contiguous(windows):
        edge = steps([(w.start, w.end) for w in run], [w.faces_median for w in run])
        chart.area([*edge, (edge[-1][0], 0), (edge[0][0], 0)], "sight")
    for run in _told_runs(windows):
        chart.line(steps([(w.start, w.end) for w in run], [w.read for w in run]))
    return chart.svg()


def _time_chart(
    title: str, windows: Sequence[Window], height: int, y: tuple[float, float], labels: Any
) -> Chart:
    seconds = windows[-1].end if windows else 0.0
    step = next((s for s in _STEPS if seconds / s <= 10), _STEPS[-1])
    times: dict[float, str] = {
        n * step: format_duration(n * step) for n in range(int(seconds // step) + 1)
    }
    return Chart(title, height=height, x=(0, seconds), y=y, x_ticks=times, y_ticks=labels)


def _with_points(chart: Chart, points: Sequence[TurningPoint]) -> Markup:
    for number, point in enumerate(points, 1):
        chart.badge(point.time, str(number))
    return chart.svg()


def _draw_gaps(chart: Chart, windows: Sequence[Window], y: tuple[float, float]) -> None:
    for run in _contiguous(windows):
        for withheld, group in groupby(run, key=lambda w: bool(w.withheld)):
            if withheld:
                some = list(group)
                chart.box((some[0].start, some[-1].end), y, "gap")


def _contiguous(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Yield runs of windows without a pause between them."""
    run: list[Window] = []
    for window in windows:
        if run and window.number != run[-1].number + 1:
            yield run
            run = []
        run.append(window)
    if run:
        yield run


def _told_runs(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Yield runs of windows whose emotions are reported, without a gap between them."""
    for run in _contiguous(windows):
        for withheld, group in groupby(run, key=lambda w: bool(w.withheld)):
            if not withheld:
                yield list(group)


def _drawn(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Yield such runs with neighbours averaged where there are too many to draw."""
    each = -(-len(windows) // _COLUMNS)
    for run in _told_runs(windows):
        parts = [run[place : place + each] for place in range(0, len(run), each)]
        yield [
            replace(part[0], end=part[-1].end, shares=mean_shares(part), valence=mean_valence(part))
            for part in parts
        ]
