"""The command ``fer data check PATH``."""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fer.commands import options as opt
from fer.commands.exit_codes import DONE
from fer.core.defaults import NEAR_CORRELATION
from fer.core.errors import UserError
from fer.core.io import real_path
from fer.core.text import pluralize

if TYPE_CHECKING:
    from fer.data.check.report import Report
    from fer.data.cleaning.fixes import Fixes
    from fer.data.source import Faces

EPILOG: Final = """\
examples:
  fer data check fer2013.csv.gz
  fer data check pictures --html report.html --fix fixes.csv
  python -m fer.train data=folder data.root=pictures data.clean=fixes.csv
  fer data check fer2013.csv --labels --json > report.json
  fer data check fer2013.csv --manifest manifest.csv.gz

exit codes: 0 the check was done, whatever it found; 2 wrong use or bad input; 130 interrupted"""

_Path = Annotated[Path, typer.Argument(metavar="PATH", show_default=False, help="The data set.")]
_Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of the "
    "tables.")]  # fmt: skip
_Html = Annotated[Path | None, opt.file_option("--html", "Write one self-contained page, without "
    "pictures.")]  # fmt: skip
_Fix = Annotated[Path | None, opt.file_option("--fix", "Write the faces of train and val to drop "
    "or relabel as CSV; data.clean=FILE applies it.")]  # fmt: skip
_Manifest = Annotated[Path | None, opt.file_option("--manifest", "Write the rows of FER2013, their "
    "pixel hashes, duplicate groups and flags as CSV, .gz or plain.")]  # fmt: skip
_Labels = Annotated[bool, typer.Option("--labels", help="Look for likely label errors too, by "
    "cleanlab; takes minutes.")]  # fmt: skip
_FixLabels = Annotated[int, typer.Option(min=0, metavar="N", help="Among the faces to drop, the N "
    "likeliest label errors of train; look at them first.")]  # fmt: skip
_Near = Annotated[float, opt.number("--near", min=0.5, max=1, metavar="R", help="The normalised "
    "correlation from which on two faces are near copies.")]  # fmt: skip
_Votes = Annotated[Path | None, opt.file_option("--votes", "FER+'s fer2013new.csv; looked for "
    "beside FER2013 if not given.")]  # fmt: skip
_Rows = Annotated[Path | None, opt.file_option("--rows", "Which pixels are which row, to join "
    "votes to FER2013 as folders of pictures.", metavar="MANIFEST")]  # fmt: skip
_Size = Annotated[int, typer.Option(min=16, max=1024, metavar="N", help="Scale the pictures of a "
    "folder to N×N pixels, as data.size does.")]  # fmt: skip
_Fit = Annotated[opt.Fit, typer.Option(help="How pictures that are not square become so, as "
    "data.fit.")]  # fmt: skip
_ValShare = Annotated[float, opt.number("--val-share", min=0.001, max=0.999, metavar="SHARE",
    help="Of train, drawn for val where there is none, as data.val_share.")]  # fmt: skip


def check(
    path: _Path,
    *,
    json: _Json = False,
    html: _Html = None,
    fix: _Fix = None,
    manifest: _Manifest = None,
    labels: _Labels = False,
    fix_labels: _FixLabels = 0,
    near: _Near = NEAR_CORRELATION,
    votes: _Votes = None,
    rows: _Rows = None,
    size: _Size = 48,
    fit: _Fit = "pad",
    val_share: _ValShare = 0.1,
) -> int:
    """Check a data set and print what is wrong with it.

    Faces by split and class, blank pictures and placeholders, exact and near copies within and
    between splits, conflicting labels, likely label errors, and how often FER+'s votes agree with
    the labels. Nothing is changed.

    PATH is fer2013.csv or icml_face_data.csv (plain, .gz, in a .zip or .tar.gz), a folder that
    holds one of them, or a folder of pictures train|val|test/<class>/*.
    """
    from fer.data.check.check import check as check_faces
    from fer.data.check.label_errors import check_installed
    from fer.data.check.open_dataset import open_dataset
    from fer.data.check.report import as_json, text_report
    from fer.data.check.suggested_fixes import suggest_fixes
    from fer.data.check.votes import find_crowd
    from fer.data.cleaning.fixes import write_fixes
    from fer.data.sources.manifest import write_manifest
    from fer.reporting.data_check import write_page

    # What is missing is reported before the work rather than behind it.
    if labels:
        check_installed()
    elif fix_labels:
        raise UserError("--fix-labels needs --labels, which looks for label errors")
    outputs = [output for output in (html, fix, manifest) if output is not None]
    _check_outputs(path, outputs)
    faces, source = open_dataset(path, size=size, fit=fit, val_share=val_share)
    _keep_data(faces, outputs, [read for read in (votes, rows) if read is not None])
    if manifest and (source != "fer2013" or faces.names):
        raise UserError(
            f"--manifest is for FER2013 as a CSV file, whose rows it lists; {faces.origin} is a "
            "folder of pictures"
        )
    crowd = None
    if source == "fer2013":
        crowd = find_crowd(faces, votes, rows)
    elif votes or rows:
        raise UserError(f"--votes and --rows are for FER2013, and {faces.origin} is something else")
    report = check_faces(faces, source, near=near, label_errors=labels, crowd=crowd)
    fixes = suggest_fixes(faces, report, fix_labels)
    if fix:
        write_fixes(fix, fixes, faces.names)
    if manifest:
        write_manifest(faces, manifest, named=crowd.named if crowd else None)
    if html:
        write_page(report, fixes, html)
    if json:
        sys.stdout.write(dumps(as_json(report), indent=1, allow_nan=False) + "\n")
    else:
        written = "".join(f"{output}: written\n" for output in (html, manifest) if output)
        sys.stdout.write(f"{text_report(report)}\n{_advice(fix, report, fixes)}{written}")
    return DONE


def _check_outputs(read: Path, outputs: list[Path]) -> None:
    taken = {real_path(read)}
    for path in outputs:
        if path.is_dir():
            raise UserError(f"{path} is a folder; name a file")
        if real_path(path) in taken:
            raise UserError(f"{path} is named twice: each file to write needs a name of its own")
        taken.add(real_path(path))


def _keep_data(faces: Faces, outputs: list[Path], also_read: list[Path]) -> None:
    """Refuse to write over a file that was read.

    Raises:
        UserError: an output is one.
    """
    from fer.data.sources.ferplus import vote_places
    from fer.data.sources.folder import METADATA_FILE

    origin = Path(faces.origin)
    near = [] if faces.names else [origin, *vote_places(origin)]
    read = {real_path(path) for path in (*near, *also_read)}
    pictures = {*faces.names, METADATA_FILE} if faces.names else set()
    root = real_path(origin)
    for path in outputs:
        full = real_path(path)
        inside = full.relative_to(root).as_posix() if full.is_relative_to(root) else ""
        if full in read or inside in pictures:
            raise UserError(
                f"{path} belongs to the data, which is never written over: name another"
            )


def _advice(fix: Path | None, report: Report, fixes: Fixes) -> str:
    drops = [one.split for one in fixes.fixes if one.action == "drop"]
    relabelled = pluralize(len(fixes.fixes) - len(drops), "face")
    what = f"drop {len(drops):,} and relabel {relabelled} of train and val"
    lines = []
    if fix:
        lines.append(f"{fix}: {what}; apply by data={report.source} data.clean={fix}")
    elif fixes.fixes:
        lines.append(f"--fix FILE would {what}; --html FILE says more, --json everything")
    lines += [
        f"nothing would be left in {split}: every face there is blank, or a copy of another; take "
        "other faces for it"
        for split in ("train", "val")
        if split in drops and drops.count(split) == sum(report.counts[split].values())
    ]
    return "".join(f"{line}\n" for line in lines)
