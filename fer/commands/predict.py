"""The command ``fer predict IMAGE|FOLDER …``; tables with ``--to`` go to :mod:`.score`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fer.commands import options as opt
from fer.commands.exit_codes import DONE, INTERRUPTED, SOME_FAILED, warn
from fer.commands.score import Engine, TableOptions, score_table
from fer.core.defaults import DETECT_SIZE, MIN_FACE
from fer.core.errors import UserError
from fer.core.io import real_path
from fer.core.process import InterruptGuard
from fer.core.text import pluralize

if TYPE_CHECKING:
    from fer.inference import Face, Recognizer
    from fer.inference.answer_files import AnswerFile
    from fer.inference.input_files import Picture
    from fer.pixels import Image

_NAME: Final = "fer predict"

EPILOG: Final = """\
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

_Pictures = Annotated[list[Path], typer.Argument(metavar="IMAGE|FOLDER", show_default=False,
    help="What to read; with --to, one table.")]  # fmt: skip
_Json = Annotated[Path | None, opt.file_option("--json", "Write what was found as JSON.")]
_Csv = Annotated[Path | None, opt.file_option("--csv", "Write what was found as CSV.")]
_Draw = Annotated[Path | None, opt.file_option("--draw", "Write annotated pictures: a file for one "
    "picture, else a folder.", metavar="OUT")]  # fmt: skip
_Crops = Annotated[bool, typer.Option("--crops", help="The pictures are faces, cut out already: "
    "none is looked for in them; of a table, of those that it names.")]  # fmt: skip
_Tta = Annotated[bool, typer.Option("--tta", help="Look at each face ten times, mirrored and "
    "shifted: slower, a little more accurate.")]  # fmt: skip
_To = Annotated[Path | None, opt.file_option("--to", "Score a whole table: a .csv or .parquet that "
    "names pictures in a column path, a .parquet that holds faces in a column image, or a folder "
    "of such; the answers go there as parquet, part by part.", metavar="FOLDER")]  # fmt: skip
_Column = Annotated[str | None, typer.Option(metavar="NAME", help="Of a table: what the column of "
    "names or faces is called; image, else path, if not given.")]  # fmt: skip
_Shards = Annotated[int, typer.Option(min=1, metavar="N", help="Divide the table into N shards, "
    "one a process or machine.")]  # fmt: skip
_Shard = Annotated[int, typer.Option(min=0, metavar="I", help="Which of them to score, from 0.")]
_Engine = Annotated[Engine, typer.Option(help="Of a table; ray: on all cores, or the cluster that "
    "RAY_ADDRESS names, by Ray Data.")]  # fmt: skip
_Part = Annotated[int | None, typer.Option(min=1, metavar="N", help="Rows a part of a table, the "
    "most that a kill costs; 4096 faces or 256 pictures if not given.")]  # fmt: skip


def predict(
    pictures: _Pictures,
    *,
    json: _Json = None,
    csv: _Csv = None,
    draw: _Draw = None,
    crops: _Crops = False,
    tta: _Tta = False,
    to: _To = None,
    column: _Column = None,
    shards: _Shards = 1,
    shard: _Shard = 0,
    engine: _Engine = "local",
    part: _Part = None,
    model: opt.Model = "default",
    allow: opt.Allow = opt.NONE,
    threads: opt.Threads = None,
    confidence: opt.Confidence = 0.0,
    min_face: opt.MinFace = MIN_FACE,
    detector: opt.DetectorName = "default",
    detect_size: opt.DetectSize = DETECT_SIZE,
) -> int:
    """Find the faces in pictures and print what each shows.

    That is the label that annotators would give it, not what a person feels. Folders are read with
    all below them. Without --json, --csv or --draw, a table goes to the screen.

    With --to, a whole table is scored instead, in parts that are written one by one: stopped at any
    moment, the same command resumes, and the answers are the same in the end.
    """
    using = opt.ModelOptions(model, allow, threads, confidence, min_face, detector, detect_size)
    if to is not None:
        if json or csv or draw:
            raise UserError("--to writes parquet: leave --json, --csv and --draw out")
        table = TableOptions(to, column, shards, shard, engine, part)
        return score_table(pictures, table, using, crops=crops, tta=tta)
    given = {"column": column, "shards": shards > 1, "shard": shard, "part": part}
    for name, value in {**given, "engine": engine != "local"}.items():
        if value:
            raise UserError(f"--{name} is for tables: name by --to FOLDER where the answers go")
    for path in pictures:
        if path.suffix.lower() in (".csv", ".parquet") and path.is_file():
            raise UserError(f"{path} is a table: name by --to FOLDER where the answers go")
    return _predict(pictures, _Files(json, csv, draw), using, crops=crops, tta=tta)


@dataclass(frozen=True, slots=True)
class _Files:
    """What the answers go to; a table on the screen if nothing is named."""

    json: Path | None
    csv: Path | None
    draw: Path | None

    def check(self, pictures: Sequence[Picture], drawn: Sequence[Path]) -> None:
        """Refuse to write over what is read, or twice to the same file."""
        from fer.pictures import shown

        originals = {real_path(picture.path) for picture in pictures}
        places = {real_path(place) for place in drawn}
        files = [real_path(path) for path in (self.json, self.csv) if path is not None]
        for path in files:
            if path.is_dir():
                raise UserError(f"{shown(path)} is a folder; name a file")
            if path in originals:
                raise UserError(f"{shown(path)} is one of the pictures; name another file")
            if any(path == one or path in one.parents or one in path.parents for one in places):
                raise UserError(f"--draw writes to {shown(path)} too; name another file")
        if len(files) > len(set(files)):
            raise UserError("--json and --csv name the same file")

    @contextmanager
    def open(self, classes: Sequence[str], model: str) -> Iterator[list[AnswerFile]]:
        """Open the files before the work, so that it is not done in vain."""
        from fer.inference.answer_files import csv_file, json_file

        with ExitStack() as stack:
            files: list[AnswerFile] = []
            if self.json:
                files.append(stack.enter_context(json_file(self.json, classes, model)))
            if self.csv:
                files.append(stack.enter_context(csv_file(self.csv, classes)))
            if not files and not self.draw:
                files.append(_ScreenTable())
            yield files


@dataclass
class _Tally:
    """Counts of the pictures so far."""

    done: int = 0
    faces: int = 0
    without: int = 0
    problems: list[str] = field(default_factory=list)
    interrupted: bool = False


def _predict(
    named: Sequence[Path], files: _Files, using: opt.ModelOptions, *, crops: bool, tta: bool
) -> int:
    from fer.inference.input_files import drawing_paths, list_inputs

    others: dict[str, list[str]] = {}
    pictures = list_inputs(named, leave=files.draw, others=others)
    drawn: list[Path] = []
    if files.draw is not None:
        one_file = len(named) == 1 and named[0].is_file()
        drawn = drawing_paths(pictures, files.draw, one_file=one_file)
    files.check(pictures, drawn)
    recognizer = opt.load_recognizer(using)
    if recognizer.frames is not None:
        raise UserError(
            f"--model {using.model} reads clips, not single pictures: fer video uses it"
        )
    analyze = partial(_read_crop, recognizer) if crops else recognizer.analyze
    analyze = partial(analyze, tta=tta)
    tally = _Tally()
    # SIGTERM too: the hidden files that answers are written to are removed or named in the end.
    with (
        InterruptGuard() as interrupts,
        files.open(recognizer.classes, Path(using.model).name) as answers,
    ):
        _work(pictures, drawn, analyze, answers, tally, interrupts=interrupts)
        if not tally.done and tally.interrupted:
            raise KeyboardInterrupt
        if not tally.done:
            raise UserError("; ".join(tally.problems))
    with_count = len(pictures) > 1 or files.json or files.csv or files.draw
    return _report(tally, len(pictures), others, with_count=bool(with_count))


def _report(
    tally: _Tally, count: int, others: Mapping[str, Sequence[str]], *, with_count: bool
) -> int:
    """Write the counts of all pictures, and return the exit code."""
    from fer.picture_folders import left_out

    say = sys.stderr.write
    if tally.problems:
        warn(_NAME, f"{len(tally.problems):,} of {count:,} pictures could not be read:")
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
        warn(_NAME, f"interrupted; {left:,} pictures were not read")
        return INTERRUPTED
    return SOME_FAILED if tally.problems else DONE


def _work(
    pictures: Sequence[Picture],
    drawn: Sequence[Path],
    analyze: Callable[[Image], list[Face]],
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
            faces = analyze(image)
            # A picture is in all files and in the count, or in none.
            with interrupts.defer_interrupts():
                if drawn:
                    write_picture(drawn[number], annotated(image, faces))
                for file in answers:
                    file.add(picture.name, faces)
                tally.done, tally.faces = tally.done + 1, tally.faces + len(faces)
                tally.without += not faces
    except KeyboardInterrupt:
        tally.interrupted = True
    finally:
        bar.close()


def _read_crop(recognizer: Recognizer, image: Image, *, tta: bool) -> list[Face]:
    """Return the face that a whole picture is, as in training."""
    from fer.inference import Face

    answer = recognizer.classify([image], tta=tta)
    height, width = image.shape[:2]
    return [Face((0, 0, width, height), 1.0, answer.labels[0], answer.probabilities[0])]


class _ScreenTable:
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
