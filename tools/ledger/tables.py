"""The figures of ``python -m fer.table`` as claims."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fer.core.errors import UserError
from fer.core.holdout_access import FER2013_TEST, count_test_accesses
from tools.ledger.claim import Claim
from tools.ledger.runs import DIRTY, Run
from tools.ledger.store import ids_in, put, read_ledger

#: The data of the tables in the documents.
_DATA: Final = ("fer2013", "synthetic_clips")

#: Overrides under which a table is still the one of the documents, and beginnings of such.
_SAME_TABLE: Final = (
    "seeds", "kind", "only", "jobs", "test", "robustness", "pace", "fresh", "data", "data.root",
)  # fmt: skip
_PLACES: Final = ("paths.", "hydra.")

#: What the figures are.
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
    # Those of the table that compares two rows, by what their names begin with.
    "recall-": "recall of {row} for {what} on {test}, single view",
    "under-": "accuracy of {row} on {n} faces of {val}, mean over corruptions ({what}) in 5 "
    "severities",
}


def put_table(root: Path, folder: Path) -> list[str]:
    """Put all that a table has measured into the ledger.

    A claim of more seeds is never replaced by one of fewer, but for a speed that was measured by
    itself.

    Args:
        root: of the checkout.
        folder: of the table, with its ``table.json``.

    Returns:
        The IDs of the claims that were kept.

    Raises:
        UserError: the folder holds no table, or one of other data or another budget than that of
            the documents, or no commit holds the code that made it.
        OSError: a file cannot be read or written.
    """
    claims, tables = read_table(folder)
    known = read_ledger(root).claims
    kept = [
        claim.id
        for claim in claims
        if claim.id in known
        and len(known[claim.id].seeds) > len(claim.seeds)
        and "pace=true" not in claim.command.split()
    ]
    put(root, [claim for claim in claims if claim.id not in kept], tables)
    return kept


def read_table(folder: Path) -> tuple[list[Claim], list[dict[str, Any]]]:
    """Return the claims of a table's folder, and its tables as the ledger holds them.

    Raises:
        UserError: as :func:`put_table`.
    """
    path = folder / "table.json"
    if not path.is_file():
        raise UserError(f"there is no {path}: name the folder that python -m fer.table has written")
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        _check_same_table(path, stored["data"], stored["overrides"])
        claims = [claim for table in stored["tables"] for claim in _claims_of(table, folder)]
        return claims, [_as_stored(table) for table in stored["tables"]]
    except UserError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} can't be read as a table ({error!r})") from error


def _check_same_table(path: Path, data: str, overrides: Sequence[str]) -> None:
    keys = [text.lstrip("+").partition("=")[0] for text in overrides]
    odd = [key for key in keys if key not in _SAME_TABLE and not key.startswith(_PLACES)]
    if odd or data not in _DATA:
        raise UserError(
            f"{path} is of data={data} with {', '.join(odd) or 'its usual budget'}: the documents "
            f"state tables of {' and '.join(_DATA)} with the budget of conf/table.yaml"
        )


def _as_stored(table: Mapping[str, Any]) -> dict[str, Any]:
    rows = [[cell.replace("{", "{table-") for cell in row] for row in table["rows"]]
    return {"id": f"table-{table['kind']}", "header": table["header"], "rows": rows}


def _claims_of(table: Mapping[str, Any], folder: Path) -> Iterator[Claim]:
    shown = set(ids_in(*table["rows"]))
    reference = table["names"]["reference"]
    for result in table["results"]:
        # Ablations show their reference beside them, which is of another table.
        if table["kind"] not in (result["kind"], "where"):
            continue
        for name, figure in result["figures"].items():
            if f"{result['row']}-{name}" not in shown:
                continue
            rows = [reference, result["row"]] if name == "difference" else [result["row"]]
            if table["kind"] == "where":
                rows = [one["row"] for one in reversed(table["results"])]
            runs = [Run(folder / place) for place in figure["runs"]]
            yield _claim(result, name, table["names"], rows, runs)


def _claim(
    result: Mapping[str, Any],
    name: str,
    names: Mapping[str, str],
    rows: Sequence[str],
    runs: Sequence[Run],
) -> Claim:
    """Return a figure as a claim.

    Args:
        result: of the row.
        name: of the figure.
        names: what ``val`` and ``test`` are called, and the ``reference`` of the differences.
        rows: that have to be there for it.
        runs: that have measured it.
    """
    figure, first = result["figures"][name], runs[0]
    commits = list(dict.fromkeys(run.origin()["commit"] for run in runs))
    what = _what(result, name, names)
    if len(commits) > 1:
        what += f" (seeds at the commits {', '.join(commit[:9] for commit in commits)})"
    seeds = figure["seeds"] or [first.seed]
    looks = sum(count_test_accesses(run.folder, FER2013_TEST) for run in runs)
    return Claim(
        id=f"table-{result['row']}-{name}",
        what=what + DIRTY * any(run.dirty for run in runs),
        value=figure["value"],
        unit=figure["unit"],
        interval=figure["interval"] and tuple(figure["interval"]),
        interval_method=figure["method"],
        command=_command(result, name, rows, seeds),
        seeds=tuple(seeds),
        private_test_looks=looks if figure["on_test"] else 0,
        mark=next(iter(result["marks"]), None),
        **first.origin(),
    )


def _what(result: Mapping[str, Any], name: str, names: Mapping[str, str]) -> str:
    aspect = name.removeprefix("gain-")
    begin, separator, what = aspect.partition("-")
    said = _WHAT.get(aspect) or _WHAT[begin + separator]
    text = said.format(
        row=result["row"],
        thing="clip" if result["kind"] == "clips" else "face",
        n=f"{result['corrupted']:,}",
        what=what.replace("_", " "),
        **names,
    )
    return text if aspect == name else f"{text} less that of {names['reference']}"


def _command(
    result: Mapping[str, Any],
    name: str,
    rows: Sequence[str],
    seeds: Sequence[int],
) -> str:
    """Return what measures a figure again, and looks at the test split for nothing else."""
    words = [f"only=[{','.join(rows)}]", f"seeds=[{','.join(map(str, seeds))}]"]
    if name.startswith(("robustness", "under-", "gain-under-")):
        words.append("robustness=true")
    elif not result["figures"][name]["on_test"]:
        words.append("test=false")
    if name == "speed" and result["paced"]:
        words.append("pace=true")
    return f"python -m fer.table {' '.join(words)}"
