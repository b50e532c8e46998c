"""The report of a data check as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fer.core.io import write_text
from fer.core.text import pluralize
from fer.data.check.report import KINDS, Report, percent
from fer.data.cleaning.fixes import Fixes
from fer.reporting.environment import render

#: Lines of a list at most; all are in the JSON.
LISTED: Final = 200


def write_page(report: Report, fixes: Fixes, path: Path) -> None:
    """Write a report as HTML: no scripts, no pictures, nothing that is fetched."""
    page = render(
        "data_check.html",
        report=report,
        fixes=fixes,
        kinds=KINDS,
        percent=percent,
        listed=LISTED,
        name=lambda row: f"{row} ({report.names[row]})" if report.names else str(row),
        # Each split's bars have a scale of their own, so that its balance of classes is seen.
        most={split: max(counts.values()) or 1 for split, counts in report.counts.items()},
        largest=sorted(report.groups, key=lambda rows: (-len(rows), rows))[:LISTED],
        near=sorted(report.near_copies, key=lambda copy: (-copy.correlation, copy.row))[:LISTED],
        headline=headline(report),
    )
    write_text(path, page)


def headline(report: Report) -> list[str]:
    """Return what matters most, in sentences."""
    # The last is the one that looks everywhere.
    leaks = [leak for leak in report.leaks if leak.split == "test" and leak.alike][-1:]
    lines = [
        f"{percent(leak.exact, leak.faces)} of the test faces have an exact copy in "
        f"{' or '.join(leak.inside)}, and {percent(leak.alike, leak.faces)} an exact or near one: "
        "a score on all of them rewards memory, so state the score without them too."
        for leak in leaks
    ]
    copies, redundant = report.tallies["copies"], report.tallies["redundant"].total
    conflicts = report.tallies["conflicting"].groups or 0
    if copies.total:
        lines.append(
            f"{copies.total:,} of {report.faces:,} faces have exact copies, in "
            f"{pluralize(copies.groups or 0, 'group')}: {pluralize(redundant, 'face')} "
            f"{'is' if redundant == 1 else 'are'} redundant, and "
            f"{pluralize(conflicts, 'group')} {'has' if conflicts == 1 else 'have'} conflicting "
            "labels."
        )
    nothing = report.tallies["few_values"].total + report.tallies["placeholders"].total
    if nothing:
        one, several = "is blank or likely a placeholder", "are blank or likely placeholders"
        what = one if nothing == 1 else several
        lines.append(f"{pluralize(nothing, 'picture')} {what}.")
    return lines or ["No copies and no blank pictures were found."]
