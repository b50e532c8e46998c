"""The report as one screen of text."""

from __future__ import annotations

from collections.abc import Sequence

from fer.data.check.report import KINDS, Report, percent

#: How many classes are listed: a data set may have thousands.
_CLASSES = 20


def text_report(report: Report) -> str:
    """Return a report as text for a terminal, about 45 lines with seven classes."""
    blocks = [_head(report), _counts(report), _found(report), _leaks(report), _agreement(report)]
    return "\n\n".join(block for block in [*blocks, "\n".join(report.notes)] if block) + "\n"


def _head(report: Report) -> str:
    height, width = report.size
    return (
        f"{report.origin}  (data={report.source})\n"
        f"{report.faces:,} faces of {width}×{height} pixels, {len(report.classes)} classes, "
        f"fingerprint {report.fingerprint[:16]}…"
    )


def _counts(report: Report) -> str:
    splits = list(report.counts)
    rows = [["faces", *splits, "all"]]
    for name in report.classes[:_CLASSES]:
        counts = [report.counts[split][name] for split in splits]
        rows.append([name, *map(_number, [*counts, sum(counts)])])
    if (more := len(report.classes) - _CLASSES) > 0:
        rows.append([f"… and {more:,} more", *[""] * (len(splits) + 1)])
    totals = [sum(report.counts[split].values()) for split in splits]
    rows.append(["all", *map(_number, [*totals, sum(totals)])])
    return _table(rows)


def _found(report: Report) -> str:
    splits = list(report.counts)
    rows = [["found", "groups", *splits, "all"]]
    for kind, words in KINDS.items():
        if kind in report.tallies:
            tally = report.tallies[kind]
            counts = [len(tally.rows.get(split, ())) for split in splits]
            groups = "" if tally.groups is None else _number(tally.groups)
            rows.append([words, groups, *map(_number, [*counts, tally.total])])
    return _table(rows)


def _leaks(report: Report) -> str:
    rows = [
        ["faces with a copy in an earlier split", "exact", "", f"exact or ≥ {report.near:g}", ""]
    ]
    for leak in report.leaks:
        if leak.faces:
            where = f"{leak.split} with one in {' or '.join(leak.inside)}"
            exact, alike = percent(leak.exact, leak.faces), percent(leak.alike, leak.faces)
            rows.append([where, _number(leak.exact), exact, _number(leak.alike), alike])
    return _table(rows) if len(rows) > 1 else ""


def _agreement(report: Report) -> str:
    if report.agreement is None:
        return ""
    some = list(report.agreement.values())
    rows = [["FER+'s crowd says what the label says", *report.agreement]]
    rows += [
        [name, *(percent(one.agreed[name], one.faces[name]) for one in some)]
        for name in report.classes[:_CLASSES]
    ]
    agreed, faces = ([sum(getattr(o, f).values()) for o in some] for f in ("agreed", "faces"))
    rows.append(["all", *map(percent, agreed, faces)])
    rows.append(["where the crowd is clear", *(percent(o.clear_agreed, o.clear) for o in some)])
    return _table(rows)


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"


def _table(rows: Sequence[Sequence[str]]) -> str:
    first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = []
    for words, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append("  ".join([words.ljust(first), *right]).rstrip())
    return "\n".join(lines)
