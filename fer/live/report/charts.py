"""Figures of a session as SVG: text that any browser draws, with the page's own colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html import escape
from itertools import groupby
from typing import Final

from fer.core.text import format_duration
from fer.live.aggregation import TurningPoint, Window
from fer.live.aggregation.changepoints import mean_shares, mean_valence

#: Size of a figure in units, and its margins: left, right, top, bottom.
_WIDTH: Final = 960
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 10, 26
#: Columns of a figure; of longer sessions neighbouring windows are drawn as their mean.
_COLUMNS: Final = 320
#: Steps of the time axis in seconds, of which the first that gives few enough is taken.
_STEPS: Final = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400)

#: Colours of the emotions: class names of the style sheet. Others get what is left, in turn.
_NAMED: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def color_of(name: str, classes: Sequence[str]) -> str:
    """Return the style sheet's class for the colour of one of a model's classes."""
    if name in _NAMED:
        return f"c-{name}"
    others = [one for one in classes if one not in _NAMED]
    return f"c-{_NAMED[others.index(name) % len(_NAMED)]}"


class _Axes:
    """Where times and values lie in a figure."""

    def __init__(self, seconds: float, height: int, low: float, high: float) -> None:
        self.seconds = max(seconds, 1e-6)
        self.height, self.low, self.high = height, low, high

    def x(self, time: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * time / self.seconds, 1)

    def y(self, value: float) -> float:
        inside = self.height - _TOP - _BOTTOM
        share = (value - self.low) / (self.high - self.low)
        return round(self.height - _BOTTOM - inside * share, 1)


def shares_chart(
    windows: Sequence[Window], classes: Sequence[str], points: Sequence[TurningPoint]
) -> str:
    """Return the shares of the classes over time, piled up, and when they turned."""
    axes = _Axes(windows[-1].end if windows else 0, 280, 0, 1)
    grid = _grid(axes, [0, 0.25, 0.5, 0.75, 1], lambda v: f"{100 * v:.0f} %")
    parts = [*grid, *_gaps(axes, windows)]
    for run in _drawn(windows):
        low = [0.0] * len(run)
        for name in classes:
            high = [a + (one.shares or {})[name] for a, one in zip(low, run, strict=True)]
            if high != low:
                edge = _steps(axes, run, high) + _steps(axes, run, low)[::-1]
                path = " ".join(f"{x},{y}" for x, y in edge)
                parts.append(f'<polygon class="{color_of(name, classes)}" points="{path}"/>')
            low = high
    return _figure(axes, [*parts, *_marks(axes, points)], "Shares of the emotions over time")


def valence_chart(windows: Sequence[Window], points: Sequence[TurningPoint]) -> str:
    """Return the mean valence over time."""
    axes = _Axes(windows[-1].end if windows else 0, 200, -1, 1)
    parts = [*_grid(axes, [-1, -0.5, 0, 0.5, 1], lambda v: f"{v:+.1f}"), *_gaps(axes, windows)]
    for run in _drawn(windows):
        path = " ".join(f"{x},{y}" for x, y in _steps(axes, run, [one.valence or 0 for one in run]))
        parts.append(f'<polyline class="line" points="{path}"/>')
    return _figure(axes, [*parts, *_marks(axes, points)], "Mean valence over time")


def heads_chart(windows: Sequence[Window]) -> str:
    """Return how many faces were in sight, and how many of those counted were read."""
    most = max([1, *(max(one.faces_max, one.faces) for one in windows)])
    step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if most / n <= 5)
    axes = _Axes(windows[-1].end if windows else 0, 160, 0, most)
    parts = [*_grid(axes, list(range(0, most + 1, step)), lambda v: f"{v:.0f}")]
    for run in _following(windows):
        edge = _steps(axes, run, [one.faces_median for one in run])
        ground = [(edge[-1][0], axes.y(0)), (edge[0][0], axes.y(0))]
        path = " ".join(f"{x},{y}" for x, y in edge + ground)
        parts.append(f'<polygon class="heads" points="{path}"/>')
    for run in _runs(windows):
        read = " ".join(f"{x},{y}" for x, y in _steps(axes, run, [one.read for one in run]))
        parts.append(f'<polyline class="line" points="{read}"/>')
    return _figure(axes, parts, "Faces in sight, and how many of those counted were read")


def _steps(
    axes: _Axes, run: Sequence[Window], values: Sequence[float]
) -> list[tuple[float, float]]:
    """Return the corners of a line that is level in each window."""
    found: list[tuple[float, float]] = []
    for one, value in zip(run, values, strict=True):
        y = axes.y(value)
        # What goes on level needs no corner.
        if len(found) > 1 and found[-1][1] == y == found[-2][1]:
            found.pop()
        else:
            found.append((axes.x(one.start), y))
        found.append((axes.x(one.end), y))
    return found


def _following(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Yield stretches of windows without a pause between them."""
    run: list[Window] = []
    for one in windows:
        if run and one.number != run[-1].number + 1:
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _runs(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Yield stretches of windows that are told, without a gap between them."""
    for run in _following(windows):
        for withheld, group in groupby(run, key=lambda one: bool(one.withheld)):
            if not withheld:
                yield list(group)


def _drawn(windows: Sequence[Window]) -> Iterator[list[Window]]:
    """Yield such stretches, as many neighbours in one as there are too many to be drawn."""
    each = -(-len(windows) // _COLUMNS)
    for run in _runs(windows):
        some = [run[place : place + each] for place in range(0, len(run), each)]
        yield [
            replace(part[0], end=part[-1].end, shares=mean_shares(part), valence=mean_valence(part))
            for part in some
        ]


def _gaps(axes: _Axes, windows: Sequence[Window]) -> Iterator[str]:
    for run in _following(windows):
        for withheld, group in groupby(run, key=lambda one: bool(one.withheld)):
            some = list(group)
            if withheld:
                left, right = axes.x(some[0].start), axes.x(some[-1].end)
                top, bottom = axes.y(axes.high), axes.y(axes.low)
                yield (
                    f'<rect class="gap" x="{left}" y="{top}" width="{max(0.5, right - left):.1f}" '
                    f'height="{bottom - top:.1f}"/>'
                )


def _grid(axes: _Axes, values: Sequence[float], told: Callable[[float], str]) -> Iterator[str]:
    for value in values:
        y = axes.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        place = f'x="{_LEFT - 8}" y="{y + 4}" text-anchor="end"'
        yield f'<text class="tick" {place}>{told(value)}</text>'
    step = next((one for one in _STEPS if axes.seconds / one <= 10), _STEPS[-1])
    for n in range(int(axes.seconds // step) + 1):
        x = axes.x(n * step)
        yield (
            f'<text class="tick" x="{x}" y="{axes.height - 6}" text-anchor="middle">'
            f"{format_duration(n * step)}</text>"
        )


def _marks(axes: _Axes, points: Sequence[TurningPoint]) -> Iterator[str]:
    for number, one in enumerate(points, 1):
        x, top, bottom = axes.x(one.time), axes.y(axes.high), axes.y(axes.low)
        yield f'<line class="mark" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
        yield f'<circle class="badge" cx="{x}" cy="{top + 9}" r="9"/>'
        yield f'<text class="count" x="{x}" y="{top + 13}" text-anchor="middle">{number}</text>'


def _figure(axes: _Axes, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {axes.height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
