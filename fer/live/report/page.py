"""The page of a session: one file that needs no other, with figures and what they are worth."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from string import Template

from fer.core.text import format_duration
from fer.live.aggregation import VALENCE, WITHHELD, TurningPoint
from fer.live.aggregation.capping import EXACT
from fer.live.aggregation.changepoints import mean_shares, mean_valence
from fer.live.report.charts import color_of, heads_chart, shares_chart, valence_chart
from fer.live.report.record import Record


def page(record: Record) -> str:
    """Return the page of a session as HTML."""
    folder = files("fer.live.report")
    style = folder.joinpath("session.css").read_text(encoding="utf-8")
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    points = record.turning()
    template = Template(folder.joinpath("session.html.template").read_text(encoding="utf-8"))
    return template.substitute(
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{hashed}'",
        title=escape(record.title),
        tiles="".join(_tiles(record)),
        least=record.aggregator.cohort.least,
        window=f"{record.aggregator.seconds:g}",
        overall=_bars(mean_shares(record.windows), record.classes) or _nothing(record),
        legend=_legend(record.classes),
        shares=shares_chart(record.windows, record.classes, points),
        valence=_valence(record, points),
        turning=_turning(points, record),
        heads=heads_chart(record.windows),
        uncertain="".join(f"<li>{one}</li>" for one in _uncertain(record)),
        index=_index(record),
        mapping=", ".join(f"{name} {value:+.2f}" for name, value in VALENCE.items()),
        model=escape(record.model),
    )


def _tiles(record: Record) -> Iterator[str]:
    told = sum(one.end - one.start for one in record.told)
    share = 100 * told / record.seconds if record.seconds else 0
    valence = mean_valence(record.windows)
    tiles = [
        (format_duration(record.seconds), "minutes and seconds watched"),
        (f"{record.heads:.0f}", f"faces in sight on average, at most {record.most}"),
        (f"{share:.0f} %", "of the time the group's emotions are told"),
        ("–" if valence is None else f"{valence:+.2f}", "mean valence, from -1 to 1"),
    ]
    for value, words in tiles:
        yield f"<div class='tile'><strong>{value}</strong><span>{words}</span></div>"


def _legend(classes: Sequence[str]) -> str:
    keys = "".join(
        f'<li><svg class="key" viewBox="0 0 10 10" aria-hidden="true">'
        f'<rect class="{color_of(name, classes)}" width="10" height="10"/></svg>{escape(name)}</li>'
        for name in classes
    )
    gap = (
        '<svg class="key" viewBox="0 0 10 10" aria-hidden="true">'
        '<rect class="gap" width="10" height="10"/></svg>'
    )
    return f'<ul class="legend">{keys}<li>{gap}withheld</li></ul>'


def _bars(shares: dict[str, float], classes: Sequence[str]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td class='number'>{100 * share:.0f} %</td>"
        f'<td class="bar"><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{color_of(name, classes)}" width="{100 * share:.1f}" height="10"/></svg>'
        "</td></tr>"
        for name, share in shares.items()
    )
    return f"<table class='bars'><tbody>{rows}</tbody></table>" if rows else ""


def _nothing(record: Record) -> str:
    least = record.aggregator.cohort.least
    return (
        f"<p>Nothing: at no time could the emotions of {least} faces or more be told together "
        "without giving a single one away.</p>"
    )


def _valence(record: Record, points: Sequence[TurningPoint]) -> str:
    if not record.aggregator.measures.has_valence:
        return "<p>Left out: the model's classes are not the seven emotions that valence needs.</p>"
    return valence_chart(record.windows, points)


def _turning(points: Sequence[TurningPoint], record: Record) -> str:
    if not points:
        return "<p>None: no share changed by a tenth for longer than ten seconds.</p>"
    rows = []
    for number, one in enumerate(points, 1):
        moves = sorted(
            ((after - one.before[name], name) for name, after in one.after.items()),
            key=lambda move: -abs(move[0]),
        )
        words = ", ".join(
            f"{escape(name)} {100 * one.before[name]:.0f} → {100 * one.after[name]:.0f} %"
            for change, name in moves[:3]
            if abs(change) >= 0.05
        )
        valence = ""
        if one.valence_before is not None and one.valence_after is not None:
            valence = f"{one.valence_before:+.2f} → {one.valence_after:+.2f}"
        rows.append(
            f"<tr><td>{number}</td><td>{format_duration(one.time)}</td><td>{words}</td>"
            f"<td>{valence}</td></tr>"
        )
    step = record.aggregator.seconds
    return (
        "<table><thead><tr><th>No.</th><th>Time</th><th>What changed most</th><th>Valence</th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table>"
        f"<p class='quiet'>To the nearest window of {step:g} seconds.</p>"
    )


def _uncertain(record: Record) -> Iterator[str]:
    least = record.aggregator.cohort.least
    for reason, seconds in record.withheld():
        yield f"{format_duration(seconds)} withheld: {WITHHELD[reason].format(least=least)}."
    if record.told:
        yield (
            f"{100 * record.read:.0f} % of the counted faces were read in their window; the others "
            "count as last seen, since they were out of sight, too small or too little sure."
        )
        sure = [one.confidence for one in record.told if one.confidence is not None]
        if sure:
            yield (
                "The model gave its likeliest emotion a probability of "
                f"{100 * sum(sure) / len(sure):.0f} % on average."
            )
        few = sum(one.end - one.start for one in record.told if one.counts is not None)
        if few:
            yield (
                f"{format_duration(few)} told of fewer than {EXACT} faces: of each emotion a range "
                "is told (columns at_least and at_most), shares and valence are estimates in it, "
                "and no confidence is told, so that nobody's label is certain."
            )
        generations = len({one.generation for one in record.told})
        if generations > 1:
            yield (
                f"Most of the counted faces were exchanged {generations - 1} "
                f"time{'s' * (generations > 2)}; what lies before and after is not compared."
            )
    minutes = record.aggregator.face_seconds / 60
    tracks = record.aggregator.tracks
    if tracks:
        yield (
            f"All faces together were in sight for {minutes:.1f} minutes, one for "
            f"{format_duration(60 * minutes / tracks)} at a time on average; who turns away and "
            "comes back counts anew."
        )


def _index(record: Record) -> str:
    index = record.aggregator.measures.index
    if index is None:
        return ""
    values = [one.index for one in record.told if one.index is not None]
    mean = f"{sum(values) / len(values):.2f} on average" if values else "nothing could be told"
    return (
        f"<h2>{escape(index.title)} ({escape(index.name)})</h2><p><strong>{mean}.</strong></p>"
        f"<p>Formula: {escape(index.formula)}</p><p>Source: {escape(index.source)}.</p>"
        f"<p>Evidence: {escape(index.evidence)}</p>"
    )
