"""The report as plain containers, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fer.data.check.report import Report


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as what JSON can hold.

    Returns:
        ``origin``, ``source``, ``fingerprint``, ``size`` (height, width), ``classes``, ``faces``,
        ``counts`` (by split and class), ``found`` (by :data:`fer.data.check.report.KINDS`, each
        with ``total``, ``groups`` or null, the number ``by_split`` and the ``rows`` by split),
        ``copies`` (the rows of each group), ``near`` (``threshold`` and ``copies``), ``leaks``,
        ``votes`` and ``labels`` (null where not looked for), ``notes``.
    """
    return {
        "origin": report.origin,
        "source": report.source,
        "fingerprint": report.fingerprint,
        "size": list(report.size),
        "classes": list(report.classes),
        "faces": report.faces,
        "counts": {split: dict(counts) for split, counts in report.counts.items()},
        "found": {
            kind: {
                "total": tally.total,
                "groups": tally.groups,
                "by_split": {split: len(rows) for split, rows in tally.rows.items()},
                "rows": {split: list(rows) for split, rows in tally.rows.items()},
            }
            for kind, tally in report.tallies.items()
        },
        "copies": [list(group) for group in report.groups],
        "near": {
            "threshold": report.near,
            "copies": [asdict(copy) for copy in report.near_copies],
        },
        "leaks": [{**asdict(leak), "inside": list(leak.inside)} for leak in report.leaks],
        "votes": report.agreement and {s: asdict(one) for s, one in report.agreement.items()},
        "labels": report.label_errors and asdict(report.label_errors),
        "notes": list(report.notes),
    }
