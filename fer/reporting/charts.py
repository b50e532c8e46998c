"""Charts as inline SVG, coloured by the style sheet of the page that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

Point = tuple[float, float]
Range = tuple[float, float]

_RIGHT, _TOP, _BOTTOM = 22, 10, 26


class Chart:
    """One pair of axes.

    Args:
        title: for screen readers, and above the chart if ``heading``.
        width: in units of the drawing, as are ``height`` and ``left``.
        x: smallest and largest value of the horizontal axis, as ``y`` of the vertical one.
        x_ticks: the labels of the horizontal axis by their values.
        y_ticks: likewise; each gets a line across the chart.
        left: room for the labels of the vertical axis.
    """

    def __init__(
        self,
        title: str,
        *,
        width: int = 960,
        height: int = 280,
        x: Range = (0, 1),
        y: Range = (0, 1),
        x_ticks: Mapping[float, str] | None = None,
        y_ticks: Mapping[float, str] | None = None,
        left: int = 56,
        heading: bool = False,
    ) -> None:
        self._title, self._width, self._height = title, width, height
        self._x_range, self._y_range = x, y
        self._left, self._top = left, _TOP + 18 * heading
        self._parts: list[Markup] = []
        if heading:
            self._text(left, 16, title, "heading", "start")
        for value, label in (y_ticks or {}).items():
            at = self._y(value)
            self.horizontal(value, "grid")
            self._text(left - 8, at + 4, label, "tick", "end")
        for value, label in (x_ticks or {}).items():
            self._text(self._x(value), height - 6, label, "tick", "middle")

    def line(self, points: Iterable[Point], css: str = "line") -> None:
        """Draw a line through points of data."""
        self._add('<polyline class="{}" points="{}"/>', css, self._path(points))

    def area(self, edge: Iterable[Point], css: str) -> None:
        """Fill the polygon with this edge."""
        self._add('<polygon class="{}" points="{}"/>', css, self._path(edge))

    def dots(self, points: Iterable[Point]) -> None:
        """Mark points of data."""
        for x, y in points:
            self._add('<circle class="dot" cx="{}" cy="{}" r="3"/>', self._x(x), self._y(y))

    def box(self, x: Range, y: Range, css: str) -> None:
        """Fill a rectangle of data, at least half a unit wide."""
        left, top = self._x(x[0]), self._y(y[1])
        width = max(0.5, round(self._x(x[1]) - left, 1))
        self._add(
            '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>',
            css, left, top, width, round(self._y(y[0]) - top, 1),
        )  # fmt: skip

    def horizontal(self, y: float, css: str) -> None:
        """Draw a line across the chart."""
        self.line([(self._x_range[0], y), (self._x_range[1], y)], css)

    def vertical(self, x: float, low: float, high: float, css: str) -> None:
        """Draw a vertical line between two values."""
        self.line([(x, low), (x, high)], css)

    def badge(self, x: float, label: str) -> None:
        """Mark a place of the horizontal axis by a line with a label in a circle."""
        self.vertical(x, *self._y_range, "mark")
        self._add('<circle class="badge" cx="{}" cy="{}" r="9"/>', self._x(x), self._top + 9)
        self._text(self._x(x), self._top + 13, label, "count", "middle")

    def svg(self) -> Markup:
        """Return the drawing."""
        return Markup(
            '<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}</svg>'
        ).format(self._width, self._height, self._title, self._title, Markup("").join(self._parts))

    def _add(self, markup: str, *values: object) -> None:
        # The markup is ours; format() escapes the values.
        self._parts.append(Markup(markup).format(*values))  # noqa: S704

    def _text(self, x: float, y: float, text: str, css: str, anchor: str) -> None:
        self._add(
            '<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>', css, x, y, anchor, text
        )

    def _path(self, points: Iterable[Point]) -> str:
        return " ".join(f"{self._x(x)},{self._y(y)}" for x, y in points)

    def _x(self, value: float) -> float:
        return _place(value, self._x_range, (self._left, self._width - _RIGHT))

    def _y(self, value: float) -> float:
        return _place(value, self._y_range, (self._height - _BOTTOM, self._top))


def steps(spans: Sequence[Range], values: Sequence[float]) -> list[Point]:
    """Return the corners of a line that is level in each span."""
    corners: list[Point] = []
    for (start, end), value in zip(spans, values, strict=True):
        # What stays level needs no corner.
        if len(corners) > 1 and corners[-1][1] == value == corners[-2][1]:
            corners.pop()
        else:
            corners.append((start, value))
        corners.append((end, value))
    return corners


def _place(value: float, data: Range, drawing: Range) -> float:
    share = (value - data[0]) / ((data[1] - data[0]) or 1)
    return round(drawing[0] + (drawing[1] - drawing[0]) * share, 1)
