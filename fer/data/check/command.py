"""The command ``fer data check PATH``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fer.core.errors import UserError
from fer.core.io import real_path
from fer.core.text import pluralize
from fer.data.check.check import check
from fer.data.check.label_errors import check_installed
from fer.data.check.near_duplicates import NEAR
from fer.data.check.open_dataset import open_dataset
from fer.data.check.report import Report, as_json, text_report
from fer.data.check.suggested_fixes import suggest_fixes
from fer.data.check.votes import find_crowd
from fer.data.cleaning.fixes import Fixes, write_fixes
from fer.data.manifest import write_manifest
from fer.data.source import DataError, Faces
from fer.data.sources.ferplus import vote_places
from fer.data.sources.folder import METADATA_FILE
from fer.pixels import FITS
from fer.reporting.data_check import write_page

_DESCRIPTION: Final = """\
Say what is wrong with a data set: faces by split and class, blank pictures and placeholders, exact
and near copies within and between splits, conflicting labels, likely label errors, and how often
FER+'s votes agree with the labels. Nothing is changed.

PATH is fer2013.csv or icml_face_data.csv (plain, .gz, in a .zip or .tar.gz), a folder that holds
one of them, or a folder of pictures train|val|test/<class>/*."""

_EPILOG: Final = """\
examples:
  fer data check fer2013.csv.gz
  fer data check pictures --html report.html --fix fixes.csv
  python -m fer.train data=folder data.root=pictures data.clean=fixes.csv
  fer data check fer2013.csv --labels --json > report.json
  fer data check fer2013.csv --manifest manifest.csv.gz

exit codes: 0 the check was done, whatever it found; 2 wrong use or bad input; 130 interrupted"""


def main(arguments: Sequence[str]) -> int:
    """Run ``fer data check`` and return its exit code.

    Args:
        arguments: what follows ``fer data``.
    """
    options = _parser().parse_args(arguments)
    try:
        return _check(options)
    except KeyboardInterrupt:
        sys.stderr.write("fer data check: interrupted; nothing was written\n")
        return 130
    except (UserError, OSError) as error:
        sys.stderr.write(f"fer data check: {error}\n")
        return 2


def _check(options: argparse.Namespace) -> int:
    # What is missing is said before the work rather than behind it.
    if options.labels:
        check_installed()
    elif options.fix_labels:
        raise UserError("--fix-labels needs --labels, which looks for label errors")
    _check_outputs(options)
    faces, source = open_dataset(
        options.path, size=options.size, fit=options.fit, val_share=options.val_share
    )
    _keep_data(options, faces)
    if options.manifest and (source != "fer2013" or faces.names):
        raise DataError(
            f"--manifest is for FER2013 as a CSV file, whose rows it lists; {faces.origin} is a "
            "folder of pictures"
        )
    crowd = None
    if source == "fer2013":
        crowd = find_crowd(faces, options.votes, options.rows)
    elif options.votes or options.rows:
        raise DataError(f"--votes and --rows are for FER2013, and {faces.origin} is something else")
    report = check(faces, source, near=options.near, label_errors=options.labels, crowd=crowd)
    fixes = suggest_fixes(faces, report, options.fix_labels)
    if options.fix:
        write_fixes(options.fix, fixes, faces.names)
    if options.manifest:
        write_manifest(faces, options.manifest, named=crowd.named if crowd else None)
    if options.html:
        write_page(report, fixes, options.html)
    if options.json:
        sys.stdout.write(json.dumps(as_json(report), indent=1, allow_nan=False) + "\n")
    else:
        sys.stdout.write(f"{text_report(report)}\n{_advice(options, report, fixes)}")
    return 0


def _check_outputs(options: argparse.Namespace) -> None:
    taken = {real_path(options.path)}
    for path in (options.html, options.fix, options.manifest):
        if path is None:
            continue
        if path.is_dir():
            raise DataError(f"{path} is a folder; name a file")
        if real_path(path) in taken:
            raise DataError(f"{path} is named twice: each file to write needs a name of its own")
        taken.add(real_path(path))


def _keep_data(options: argparse.Namespace, faces: Faces) -> None:
    """Hold that no file to write is one of those that were read.

    Raises:
        DataError: it is one.
    """
    origin = Path(faces.origin)
    beside = [] if faces.names else [origin, *vote_places(origin)]
    read = {real_path(path) for path in (*beside, options.votes, options.rows) if path is not None}
    pictures = {*faces.names, METADATA_FILE} if faces.names else set()
    root = real_path(origin)
    for path in (options.html, options.fix, options.manifest):
        if path is None:
            continue
        full = real_path(path)
        inside = full.relative_to(root).as_posix() if full.is_relative_to(root) else ""
        if full in read or inside in pictures:
            raise DataError(
                f"{path} belongs to the data, which is never written over: name another"
            )


def _advice(options: argparse.Namespace, report: Report, fixes: Fixes) -> str:
    dropped = sum(fix.action == "drop" for fix in fixes.fixes)
    relabelled = pluralize(len(fixes.fixes) - dropped, "face")
    what = f"drop {dropped:,} and relabel {relabelled} of train and val"
    lines = []
    if options.fix:
        lines.append(
            f"{options.fix}: {what}; apply by data={report.source} data.clean={options.fix}"
        )
    elif fixes.fixes:
        lines.append(f"--fix FILE would {what}; --html FILE says more, --json everything")
    for split in ("train", "val"):
        drops = sum(fix.action == "drop" and fix.split == split for fix in fixes.fixes)
        if drops and drops == sum(report.counts[split].values()):
            lines.append(
                f"nothing would be left in {split}: every face there is blank, or a copy of "
                "another; take other faces for it"
            )
    lines += [f"{path}: written" for path in (options.html, options.manifest) if path is not None]
    return "".join(f"{line}\n" for line in lines)


def _parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="fer data", description="Look at data sets.")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    parser = commands.add_parser(
        "check",
        help="say what is wrong with a data set",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("path", metavar="PATH", type=Path, help="the data set")
    add("--json", action="store_true", help="print everything as JSON instead of the tables")
    add("--html", metavar="FILE", type=Path, help="write one self-contained page, without pictures")
    add("--fix", metavar="FILE", type=Path, help="write the faces of train and val to drop or "
        "relabel as CSV; data.clean=FILE applies it")  # fmt: skip
    add("--manifest", metavar="FILE", type=Path, help="write the rows of FER2013, their pixel "
        "hashes, duplicate groups and flags as CSV, .gz or plain")  # fmt: skip
    add("--labels", action="store_true", help="look for likely label errors too, by cleanlab; "
        "takes minutes")  # fmt: skip
    add("--fix-labels", metavar="N", type=_count, default=0, help="among the faces to drop, the N "
        "likeliest label errors of train (default 0: look at them first)")  # fmt: skip
    add("--near", metavar="R", type=_correlation, default=NEAR, help="the normalised correlation "
        "from which on two faces are near copies (default %(default)s)")  # fmt: skip
    add("--votes", metavar="FILE", type=Path, help="FER+'s fer2013new.csv (default: looked for "
        "beside FER2013)")  # fmt: skip
    add("--rows", metavar="MANIFEST", type=Path, help="which pixels are which row, to join votes "
        "to FER2013 as folders of pictures")  # fmt: skip
    add("--size", metavar="N", type=_size, default=48, help="scale the pictures of a folder to "
        "N×N pixels, as data.size does (default %(default)s)")  # fmt: skip
    add("--fit", choices=FITS, default="pad", help="how pictures that are not square become so, as "
        "data.fit (default %(default)s)")  # fmt: skip
    add("--val-share", metavar="SHARE", type=_share, default=0.1, help="of train, drawn for val "
        "where there is none, as data.val_share (default %(default)s)")  # fmt: skip
    return root


def _correlation(text: str) -> float:
    return _number(text, 0.5, 1.0)


def _share(text: str) -> float:
    return _number(text, 0.001, 0.999)


def _number(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"must be a number from {low:g} to {high:g}, not {text}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, not {text}")
    return int(text)


def _size(text: str) -> int:
    if not text.isdecimal() or not 16 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"must be a whole number from 16 to 1024, not {text}")
    return int(text)
