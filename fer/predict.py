"""The command ``fer predict IMAGE|FOLDER …``; tables with ``--to`` go to :mod:`fer.scoring`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer.core.errors import UserError
from fer.core.io import real_path
from fer.core.process import InterruptGuard
from fer.core.text import pluralize
from fer.options import add_model_options, recognizer_of
from fer.scoring import ONLY_TABLES, add_table_options, score_table

if TYPE_CHECKING:
    from fer.inference import Face, Recognizer
    from fer.inference.answer_files import AnswerFile
    from fer.inference.input_files import Picture
    from fer.pixels import Image

_DESCRIPTION: Final = """\
Find the faces in pictures and say what each shows: the label that annotators would give it, not
what a person feels. Folders are read with all below them. Without --json, --csv or --draw, a table
goes to the screen.

With --to, a whole table is scored instead, in parts that are written one by one: ended at any
moment, the same command goes on, and the answers are the same in the end."""

_EPILOG: Final = """\
examples:
  fer predict photo.jpg
  fer predict photo.jpg --draw annotated.jpg
  fer predict photos more/photo.png --csv faces.csv --confidence 0.5
  fer predict photos --json faces.json --draw annotated
  fer predict faces --crops --csv labels.csv               # pictures that are faces, cut out
  fer predict photo.jpg --model model.onnx --detector yunet:face_detection_yunet_2023mar.onnx
  fer predict photos.csv --to answers
  fer predict faces.parquet --to answers --engine ray
  fer predict faces.parquet --to answers --shards 4 --shard 0

columns of --csv, a row a face, and one with the picture alone where no face was found:
  picture             as it was named, or below the folder that was
  face                1, 2, …: the surest found first
  x, y, w, h          the box in pixels of the upright picture, from its top left corner
  score               confidence that this is a face, 0 to 1; with --crops 1
  label               the likeliest class, or uncertain (see --confidence and --min-face)
  p_angry, …          calibrated probability of each class; they sum to one
  problem             why the picture could not be read, else empty
--json holds the same: {"model", "classes", "pictures": [{"picture", "faces": [{"box": [x, y, w, h],
"score", "label", "probabilities": {class: p}}]} or {"picture", "problem"}]}

columns of --to: row (of the table, from 0), path (where it has one), face, x, y, w, h, score (where
faces were looked for), label, p_angry, …, problem; a row a face, and one for a row without any.
Paths are below the table's own folder, or whole. Faces may be encoded pictures (binary) or n·n grey
bytes (fixed_size_binary).

Pictures may be JPEG, PNG, WebP, TIFF, BMP, GIF, PPM or AVIF; they are turned as their EXIF data
say. What is transparent lies on white. Films (animated GIF and PNG) are for fer video. What else
lies in folders is counted by kind and left out.

exit codes: 0 done (no face is a result), 1 done but some pictures or rows could not be read and are
listed, 2 wrong use or bad input: nothing was written, 130 interrupted: what was finished is kept"""


def main(arguments: Sequence[str]) -> int:
    """Run ``fer predict`` and return its exit code.

    Args:
        arguments: what follows ``fer predict``.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.to is not None:
            return score_table(options)
        return _predict(options)
    except KeyboardInterrupt:
        sys.stderr.write("fer predict: interrupted; nothing was written\n")
        return 130
    except (UserError, OSError) as error:
        sys.stderr.write(f"fer predict: {error}\n")
        return 2


@dataclass
class _Tally:
    """What came of the pictures so far."""

    done: int = 0
    faces: int = 0
    without: int = 0
    problems: list[str] = field(default_factory=list)
    interrupted: bool = False


def _predict(options: argparse.Namespace) -> int:
    from fer.inference.input_files import drawing_paths, list_inputs

    for name, default in ONLY_TABLES.items():
        if getattr(options, name) != default:
            raise UserError(f"--{name} is for tables: name by --to FOLDER where the answers go")
    for path in options.pictures:
        if path.suffix.lower() in (".csv", ".parquet") and path.is_file():
            raise UserError(f"{path} is a table: name by --to FOLDER where the answers go")
    others: dict[str, list[str]] = {}
    pictures = list_inputs(options.pictures, leave=options.draw, others=others)
    places: list[Path] | None = None
    if options.draw is not None:
        one_file = len(options.pictures) == 1 and options.pictures[0].is_file()
        places = drawing_paths(pictures, options.draw, one_file=one_file)
    _check_files(options, pictures, places or ())
    recognizer = recognizer_of(options)
    if recognizer.frames is not None:
        raise UserError(
            f"--model {options.model} reads clips, not single pictures: fer video uses it"
        )
    tally = _Tally()
    # SIGTERM too: the hidden files that answers are written to are taken away or named in the end.
    with InterruptGuard() as interrupts, _answer_files(options, recognizer) as answers:
        ask = partial(_whole, recognizer) if options.crops else recognizer.analyze
        ask = partial(ask, tta=options.tta)
        _work(pictures, places, ask, answers, tally, interrupts=interrupts)
        if not tally.done and tally.interrupted:
            raise KeyboardInterrupt
        if not tally.done:
            raise UserError("; ".join(tally.problems))
    with_count = len(pictures) > 1 or options.json or options.csv or options.draw
    return _report(tally, len(pictures), others, with_count=bool(with_count))


def _report(
    tally: _Tally, count: int, others: Mapping[str, Sequence[str]], *, with_count: bool
) -> int:
    """Say what came of all pictures, and return the exit code."""
    from fer.picture_folders import left_out

    say = sys.stderr.write
    if tally.problems:
        say(f"fer predict: {len(tally.problems):,} of {count:,} pictures could not be read:\n")
        say("".join(f"  {problem}\n" for problem in tally.problems))
    if others:
        say(f"left out: {left_out(others)}\n")
    if tally.without:
        say(f"no face found in {tally.without:,} of {pluralize(tally.done, 'picture')}: where "
            "pictures are faces cut out already, --crops reads each as one\n")  # fmt: skip
    if with_count:
        say(f"{pluralize(tally.done, 'picture')}, {pluralize(tally.faces, 'face')}\n")
    if tally.interrupted:
        left = count - tally.done - len(tally.problems)
        say(f"fer predict: interrupted; {left:,} pictures were not read\n")
        return 130
    return 1 if tally.problems else 0


def _work(
    pictures: Sequence[Picture],
    places: Sequence[Path] | None,
    ask: Callable[[Image], list[Face]],
    answers: Sequence[AnswerFile],
    tally: _Tally,
    *,
    interrupts: InterruptGuard,
) -> None:
    from tqdm import tqdm

    from fer.inference.drawing import annotated, write_picture
    from fer.pictures import PictureError, read_picture

    bar = tqdm(pictures, unit=" pictures", disable=None if len(pictures) > 1 else True, leave=False)
    try:
        for number, picture in enumerate(bar):
            try:
                image = read_picture(picture.path)
            except (PictureError, OSError) as error:
                why = getattr(error, "strerror", None) or str(error)
                tally.problems.append(f"{picture.name}: {why}")
                for file in answers:
                    file.add(picture.name, (), why)
                continue
            faces = ask(image)
            # A picture is in all files and in the count, or in none.
            with interrupts.defer_interrupts():
                if places is not None:
                    write_picture(places[number], annotated(image, faces))
                for file in answers:
                    file.add(picture.name, faces)
                tally.done, tally.faces = tally.done + 1, tally.faces + len(faces)
                tally.without += not faces
    except KeyboardInterrupt:
        tally.interrupted = True
    finally:
        bar.close()


def _whole(recognizer: Recognizer, image: Image, *, tta: bool) -> list[Face]:
    """Return what a picture shows that is a face as a whole, as in training."""
    from fer.inference import Face

    answer = recognizer.classify([image], tta=tta)
    height, width = image.shape[:2]
    return [Face((0, 0, width, height), 1.0, answer.labels[0], answer.probabilities[0])]


class _Table:
    """Rows for people."""

    def __init__(self) -> None:
        self._is_first = True

    def add(self, picture: str, faces: Sequence[Face], problem: str = "") -> None:
        from tqdm import tqdm

        from fer.inference import UNCERTAIN

        if problem:
            return
        lines = []
        if self._is_first:
            lines.append(f"{'label':<12}{'sure':>6}{'x':>7}{'y':>7}{'w':>6}{'h':>6}  picture")
            self._is_first = False
        for face in faces:
            x, y, w, h = face.box
            sure = f"{100 * float(face.probabilities.max()):.0f} %"
            sure = "" if face.label == UNCERTAIN else sure
            lines.append(f"{face.label:<12}{sure:>6}{x:>7}{y:>7}{w:>6}{h:>6}  {picture}")
        if not faces:
            lines.append(f"{'no face found':<44}  {picture}")
        tqdm.write("\n".join(lines), file=sys.stdout)


@contextmanager
def _answer_files(
    options: argparse.Namespace, recognizer: Recognizer
) -> Iterator[list[AnswerFile]]:
    """Open what the answers go to before the work, so that it is not done in vain."""
    from fer.inference.answer_files import csv_file, json_file

    with ExitStack() as stack:
        files: list[AnswerFile] = []
        if options.json:
            opened = json_file(options.json, recognizer.classes, Path(options.model).name)
            files.append(stack.enter_context(opened))
        if options.csv:
            files.append(stack.enter_context(csv_file(options.csv, recognizer.classes)))
        if not files and not options.draw:
            files.append(_Table())
        yield files


def _check_files(
    options: argparse.Namespace, pictures: Sequence[Picture], places: Sequence[Path]
) -> None:
    """Refuse to write over what is read, or twice to the same file."""
    from fer.pictures import shown

    originals = {real_path(picture.path) for picture in pictures}
    drawn = {real_path(place) for place in places}
    files = [real_path(path) for path in (options.json, options.csv) if path is not None]
    for path in files:
        if path.is_dir():
            raise UserError(f"{shown(path)} is a folder; name a file")
        if path in originals:
            raise UserError(f"{shown(path)} is one of the pictures; name another file")
        if any(path == one or path in one.parents or one in path.parents for one in drawn):
            raise UserError(f"--draw writes to {shown(path)} too; name another file")
    if len(files) > len(set(files)):
        raise UserError("--json and --csv name the same file")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fer predict",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("pictures", metavar="IMAGE|FOLDER", type=Path, nargs="+", help="what to read; with --to, "
        "one table")  # fmt: skip
    add("--json", metavar="FILE", type=Path, help="write what was found as JSON")
    add("--csv", metavar="FILE", type=Path, help="write what was found as CSV")
    add("--draw", metavar="OUT", type=Path, help="write annotated pictures: a file for one "
        "picture, else a folder")  # fmt: skip
    add("--crops", action="store_true", help="the pictures are faces, cut out already: none is "
        "looked for in them; of a table, of those that it names")  # fmt: skip
    add("--tta", action="store_true", help="look at each face ten times, mirrored and shifted: "
        "slower, a little more accurate")  # fmt: skip
    add_table_options(parser)
    add_model_options(parser)
    return parser
