"""The command ``fer data convert SOURCE --to FOLDER``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fer.data.conversion.plan import SHARD, Making, make_plan
from fer.data.conversion.writing import convert
from fer.data.source import DataError
from fer.errors import UserError
from fer.pixels import FITS

_SHOWN: Final = 10

_DESCRIPTION: Final = """\
Bring a data set into a form that training streams from the disk, for sets that do not fit into
memory: python -m fer.train data=streaming data.root=FOLDER. The pictures are read once, made square
and grey, scaled, and looked through for blanks and exact copies. The source is not changed.

SOURCE is a folder of pictures train|val|test/<class>/*, with metadata.csv or without; a table
(.csv) with the columns path, label and split, whose other columns are metadata; or FER2013 in any
form that fer data check reads.

Ended at any moment, the same command goes on: at most one shard is lost, and the set is the same in
the end. It also makes again what of a set is missing or damaged. Pictures that cannot be read are
listed and left out."""

_EPILOG: Final = """\
examples:
  fer data convert pictures --to pictures-48
  fer data convert affectnet.csv --to affectnet-96 --size 96
  python -m fer.train data=streaming data.root=affectnet-96 data.size=96

a table, its paths below its own folder:
  path,label,split
  images/0001.jpg,happy,train
  images/0002.jpg,sad,val

exit codes: 0 done; 1 done, but some pictures could not be read and are listed; 2 wrong use or bad
input; 130 interrupted: start it again, and it goes on"""


def main(arguments: Sequence[str]) -> int:
    """Run ``fer data convert`` and return its exit code.

    Args:
        arguments: what follows ``fer data convert``.
    """
    options = _parser().parse_args(arguments)
    try:
        return _convert(options)
    except KeyboardInterrupt:
        sys.stderr.write(
            "fer data convert: interrupted; what is done is kept, and the same command goes on\n"
        )
        return 130
    except (UserError, OSError) as error:
        sys.stderr.write(f"fer data convert: {error}\n")
        return 2


def _convert(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    source, to = options.source, options.to
    if to.resolve() == source.resolve() or source.resolve() in to.resolve().parents:
        raise DataError(f"--to {to} lies in the source, which is not changed: name another folder")
    plan = make_plan(source)
    making = Making.of(options.size, options.shard, fit=options.fit, val_share=options.val_share)
    bar = tqdm(total=len(plan), unit=" faces", desc=f"converting {source.name}", disable=None)
    with bar:
        facts = convert(
            plan,
            to,
            making,
            advance=bar.update,
            still=lambda: make_plan(source).identity,
            say=lambda line: bar.write(f"fer data convert: {line}", file=sys.stderr),
        )
    sys.stdout.write(_told(facts, to))
    if not (defects := facts["defects"]):
        return 0
    say = sys.stderr.write
    say(f"fer data convert: {len(defects):,} faces could not be read and are left out:\n")
    say("".join(f"  {detail}\n" for _, _, detail in defects[:_SHOWN]))
    if len(defects) > _SHOWN:
        say(f"  ... and {len(defects) - _SHOWN:,} more: all are in {to / 'set.json'}\n")
    return 1


def _told(facts: Mapping[str, Any], folder: Path) -> str:
    size, classes = facts["size"], facts["classes"]
    counts = ", ".join(f"{name} {count:,}" for name, count in facts["splits"].items())
    drawn = " (val was drawn from train)" if facts["drawn"] else ""
    lines = [
        f"{counts} faces of {size}×{size} pixels in {len(classes)} classes{drawn}",
        f"{folder}: use it by data=streaming data.root={folder}"
        + (f" data.size={size}" if size != 48 else "")
        + (f" data.fit={facts['fit']}" if facts["fit"] != "pad" else ""),
    ]
    return "".join(f"{line}\n" for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fer data convert",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", type=Path, help="the data set")
    add("--to", metavar="FOLDER", type=Path, required=True, help="what gets the converted set")
    add("--size", metavar="N", type=_whole(16, 1024), default=48, help="scale to N×N pixels "
        "(default %(default)s)")  # fmt: skip
    add("--fit", choices=FITS, default="pad", help="how pictures that are not square become so "
        "(default %(default)s)")  # fmt: skip
    add("--val-share", metavar="SHARE", type=_share, default=0.1, help="of train, drawn for val "
        "where there is none (default %(default)s)")  # fmt: skip
    add("--shard", metavar="N", type=_whole(1, 1 << 20), help="faces a shard, the most that a "
        f"kill costs (default {SHARD}, fewer where they are large)")  # fmt: skip
    return parser


def _whole(low: int, high: int) -> Any:
    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {low} to {high}, not {text!r}"
            )
        return int(text)

    return read


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.001 <= value <= 0.999:
        raise argparse.ArgumentTypeError(f"must be a number from 0.001 to 0.999, not {text}")
    return value
