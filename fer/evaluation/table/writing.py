"""The table as Markdown, and its numbers as records of the claims ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from fer.errors import UserError
from fer.evaluation.claim_records import configuration_hash
from fer.evaluation.claims import Ledger, put, read_ledger, write_documents
from fer.evaluation.table.results import Figure, Result, is_paced, provenance_of
from fer.looks import PRIVATE, looks_at_test

#: What the columns of a table say, by figure.
_COLUMNS: Final[Mapping[str, str]] = {
    "parameters": "parameters",
    "multiply-adds": "multiply-adds",
    "speed": "training {thing}s a second",
    "public": "{val}",
    "private": "{test}",
    "deduplicated": "{test} without copies",
    "difference": "{test}: difference to `{reference}`",
    "robustness": "{val} under corruptions",
}

#: What the figures are, in the words of the ledger.
_WHAT: Final[Mapping[str, str]] = {
    "parameters": "numbers that {row} has learnt",
    "multiply-adds": "multiply-adds a {thing} of {row}, in convolutions and matrix products",
    "speed": "{thing}s a second that {row} trained on, on the machine of its runs",
    "public": "accuracy of {row} on {val}, where its best epoch was chosen",
    "private": "accuracy of {row} on {test}, single view",
    "deduplicated": "accuracy of {row} on {test} without copies of training faces",
    "difference": "accuracy of {row} on {test} less that of {reference}",
    "robustness": "accuracy of {row} on {n} {thing}s of {val}, mean over 14 corruptions in 5 "
    "severities",
}


def id_of(row: str, figure: str) -> str:
    """Return the ID of a figure's record."""
    return f"table-{row}-{figure}"


def columns_of(kind: str) -> Mapping[str, str]:
    """Return the columns of a table by figure: drawn clips have no copies to leave out."""
    if kind != "clips":
        return _COLUMNS
    return {name: text for name, text in _COLUMNS.items() if name != "deduplicated"}


def _worded(text: str, kind: str, words: Mapping[str, str], **more: str) -> str:
    return text.format(**{"thing": "clip" if kind == "clips" else "face", **words, **more})


def table_of(titles: Mapping[str, str], kind: str, words: Mapping[str, str]) -> dict[str, Any]:
    """Return a table as the ledger holds it.

    Args:
        titles: of its rows, by name.
        kind: ``families``, ``ablations`` or ``clips``; its ID is ``table-KIND``.
        words: what ``val`` and ``test`` are called, and the ``reference`` of the differences.
    """
    columns = columns_of(kind)
    header = ["", "row", *(_worded(text, kind, words) for text in columns.values())]
    rows = [
        [title, f"`{name}`", *(f"{{{id_of(name, figure)}}}" for figure in columns)]
        for name, title in titles.items()
    ]
    return {"id": f"table-{kind}", "header": header, "rows": rows}


def markdown(results: Sequence[Result], table: Mapping[str, Any]) -> str:
    """Return a table filled with its figures, without a ledger."""
    claims = {
        id_of(one.row.name, name): {"text": figure.text}
        for one in results
        for name, figure in one.figures.items()
    }
    return Ledger(claims, {table["id"]: table}).table(table["id"]) or ""


def record_of(
    result: Result,
    name: str,
    words: Mapping[str, str],
    what: str | None = None,
    rows: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a figure as a record of the ledger.

    Args:
        result: the row's.
        name: of the figure.
        words: what ``val`` and ``test`` are called, and the ``reference`` of the differences.
        what: what the figure is; by default as its name says.
        rows: that have to be there for it; by default the row, with the reference for a difference.

    Raises:
        UserError: no commit holds the code that made it.
    """
    figure: Figure = result.figures[name]
    row = result.row
    paced = row.pace if name == "speed" and is_paced(row) else None
    every = [paced] if paced is not None else row.runs
    runs = [run for run in every if not figure.seeds or run.seed in figure.seeds]
    runs = [run for run in runs if (run.folder / "provenance.json").is_file()]
    origins = [provenance_of(run) for run in runs]
    commits = list(dict.fromkeys(origin["commit"] for origin in origins))
    if None in commits:
        raise UserError(f"{runs[0].folder} was made by code that no commit holds")
    what = what or _worded(_WHAT[name], row.kind, words, row=row.name, n=f"{result.corrupted:,}")
    looks = sum(looks_at_test(run.folder, PRIVATE) for run in runs) * figure.on_test
    if len(commits) > 1:
        what += f" (seeds at the commits {', '.join(commit[:9] for commit in commits)})"
    if any(origin["dirty"] for origin in origins):
        what += " (with uncommitted changes)"
    if not rows:
        rows = [words["reference"], row.name] if name == "difference" else [row.name]
    config = yaml.safe_load((runs[0].folder / "config.yaml").read_text(encoding="utf-8"))
    seeds = figure.seeds or tuple(run.seed for run in runs[:1])
    return {
        "id": id_of(row.name, name),
        "what": what,
        "value": figure.value,
        "unit": figure.unit,
        "text": figure.text,
        "interval": None if figure.interval is None else list(figure.interval),
        "interval_method": figure.method,
        "command": _command(result, name, rows, seeds),
        "commit": commits[0],
        "configuration": configuration_hash(config),
        "data": origins[0]["data"]["fingerprint"],
        "seeds": list(seeds),
        "private_test_looks": looks,
        "mark": result.marks[0] if result.marks else None,
    }


def _command(result: Result, name: str, rows: Sequence[str], seeds: Sequence[int]) -> str:
    """Return what measures a figure again, and looks at the test split for nothing else."""
    words = [f"only=[{','.join(rows)}]", f"seeds=[{','.join(map(str, seeds))}]"]
    if name.startswith(("robustness", "under-", "gain-under-")):
        words.append("robustness=true")
    elif not result.figures[name].on_test:
        words.append("test=false")
    if name == "speed" and is_paced(result.row):
        words.append("pace=true")
    return f"python -m fer.table {' '.join(words)}"


def write_to_ledger(
    root: Path, records: Sequence[Mapping[str, Any]], tables: Sequence[Mapping[str, Any]]
) -> tuple[list[Path], list[str]]:
    """Put records into the ledger of a checkout and fill its documents.

    A record of more seeds is never replaced by one of fewer, but for a speed that was measured by
    itself.

    Returns:
        The documents that changed, and the IDs of the records that were kept.

    Raises:
        UserError: the ledger is none, or a record is not what it should be.
        OSError: a file cannot be read or written.
    """
    there = read_ledger(root).claims
    kept = [
        record["id"]
        for record in records
        if len(there.get(record["id"], record)["seeds"]) > len(record["seeds"])
        and "pace=true" not in record["command"].split()
    ]
    put(root, [record for record in records if record["id"] not in kept], tables)
    return write_documents(root), kept
