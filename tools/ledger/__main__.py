"""``python -m tools.ledger``: write the documents from the ledger, check them, add to it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fer.core.errors import UserError
from fer.experiments.table.formatting import UNITS
from tools.ledger.documents import differences, write_documents
from tools.ledger.store import LEDGER, add_claim

_EXAMPLES: Final = """\
examples:
  python -m tools.ledger check           # what documents state and the ledger does not hold
  python -m tools.ledger write           # fill every marked value from the ledger
  python -m tools.ledger add runs/small --id small-public --metric val/best_acc \\
      --what "accuracy on FER2013 PublicTest, best of 10 epochs"
  python -m tools.ledger add runs/small-score --id small-private --metric official.accuracy \\
      --looks 1 --what "accuracy on FER2013 PrivateTest"
  python -m tools.ledger add benchmark --id scoring-million --metric scoring.1000000.rate \\
      --unit /s --looks 0 --what "faces a second"   # of a folder that a benchmark has written
  python -m tools.ledger add runs/s0 runs/s1 runs/s2 --id small-3 --metric val/best_acc \\
      --what "mean of 3"
  python -m tools.ledger table runs/table/fer2013   # all figures of python -m fer.table

Exit codes: 0 done, 1 documents differ from the ledger, 2 wrong use or input.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with its arguments and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (UserError, OSError) as error:
        sys.stderr.write(f"tools.ledger: {error}\n")
        return 2
    return code


def _write(options: argparse.Namespace) -> int:
    _fill(options.root)
    return _check(options)


def _check(options: argparse.Namespace) -> int:
    found = differences(options.root)
    sys.stdout.writelines(f"{line}\n" for line in found)
    if not found:
        sys.stdout.write(f"the documents state what {LEDGER} holds\n")
    return 1 if found else 0


def _add(options: argparse.Namespace) -> int:
    from tools.ledger.runs import claim_from_runs

    claim = claim_from_runs(
        options.folder,
        name=options.id,
        what=options.what,
        metric=options.metric,
        unit=options.unit,
        looks=options.looks,
        n=options.n,
        command=options.command,
        allow_dirty=options.allow_dirty,
    )
    add_claim(options.root, claim, replace=options.replace)
    sys.stdout.write(f"{claim.id}: {claim.text}\n")
    return 0


def _table(options: argparse.Namespace) -> int:
    from tools.ledger.tables import put_table

    for name in put_table(options.root, options.folder):
        sys.stdout.write(f"kept, since it is of more seeds: {name}\n")
    _fill(options.root)
    return 0


def _fill(root: Path) -> None:
    for path in write_documents(root):
        sys.stdout.write(f"written: {path}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.ledger",
        description="The ledger of every number that the documents state.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="write|check|add|table")
    write = commands.add_parser("write", help="fill the documents from the ledger")
    write.set_defaults(run=_write)
    check = commands.add_parser("check", help="say what documents state beside the ledger")
    check.set_defaults(run=_check)
    add = commands.add_parser("add", help="add a number that a run measured")
    add.set_defaults(run=_add)
    add.add_argument("folder", nargs="+", type=Path, help="of the run, or of one for each seed")
    add.add_argument("--id", required=True, help="what documents name it by")
    add.add_argument("--what", required=True, help="what the number is, in words")
    add.add_argument("--metric", required=True, help="its key in metrics.json, as val/best_acc")
    add.add_argument("--unit", choices=UNITS, default="%", help="how it is written (%%)")
    add.add_argument("--looks", type=_count, help="how often PrivateTest was looked at, "
        "where that is more than the runs have counted")  # fmt: skip
    add.add_argument("--n", type=_count, help="number of faces, where the run doesn't say it")
    add.add_argument("--command", help="what to state instead of the recorded command")
    add.add_argument("--allow-dirty", action="store_true", help="though changes weren't committed")
    add.add_argument("--replace", action="store_true", help="take the place of the id's record")
    table = commands.add_parser("table", help="put in what python -m fer.table measured")
    table.set_defaults(run=_table)
    table.add_argument("folder", type=Path, help="of the table, with its table.json")
    for command in (write, check, add, table):
        command.add_argument(
            "--root", type=Path, default=Path(), help="folder of the checkout (this one)"
        )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
