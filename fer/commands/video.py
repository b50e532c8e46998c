"""The command ``fer video FILE|CAMERA|RTSP``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fer.commands import options as opt
from fer.commands.exit_codes import DONE, INTERRUPTED, SOME_FAILED, warn
from fer.core.defaults import DETECT_SIZE, MIN_FACE, MIN_GROUP, WINDOW_SECONDS
from fer.core.errors import UserError
from fer.core.process import InterruptGuard
from fer.core.text import format_duration, pluralize

if TYPE_CHECKING:
    from fer.inference import Recognizer
    from fer.live import Frame, Source
    from fer.live.video_writer import VideoWriter
    from fer.reporting.session import Record

EPILOG: Final = """\
examples:
  fer video lesson.mp4
  fer video lesson.mp4 --out annotated.webm
  fer video lesson.mp4 --tracks faces.csv --confidence 0.5
  fer video lesson.mp4 --session lesson                      # the group over time
  fer video 0 --out me.webm                                  # the first camera, until Ctrl-C
  fer video rtsp://user:password@camera.local/stream --tracks faces.parquet

columns of --tracks, a row a face and frame:
  time                seconds since the film or the recording began
  track               the face's name while it is in sight; random a run, so that it links no two
  x, y, w, h          the box in pixels, from the top left corner
  score               confidence that this is a face, 0 to 1
  label               the likeliest class, or uncertain (see --confidence and --min-face)
  p_angry, …          calibrated probability of each class, smoothed:
                      s <- s + (1 - exp(-d / 0.4)) (p - s), d seconds since the face's last frame

A model of clips reads the last frames of each face, as many as it learnt from.

--session FOLDER writes timeline.csv, timeline.parquet (with the extra 'video') and session.html:
how the shares of the emotions, valence and the number of faces changed. Emotions of fewer than
--min-group faces are withheld, and so is what would give a single face away (docs/privacy.md). It
does not go with --out and --tracks, whose single faces would undo that.

Of a film every frame is read. Of a camera or a stream the newest is, so that the picture never lags
behind; when it drops it is taken up again, 12 times in a row at most. The film of --out has no
sound. Browsers play .webm (VP8) and .mp4 (H.264, or VP9 where OpenCV has no encoder for it, which
takes longer); where frames are more than 10 seconds apart the rest is left out. Ctrl-C or SIGTERM
ends the work and leaves valid files. Parquet needs the extra 'video'.

exit codes: 0 done (no face is a result), 1 the stream dropped and did not come back, or the film
is damaged and can't be read whole: what was seen is kept, 2 wrong use or bad input: nothing was
written, 130 interrupted: what was seen is kept"""

_say = partial(warn, "fer video")

_Source = Annotated[str, typer.Argument(metavar="FILE|CAMERA|RTSP", show_default=False, help="A "
    "film, the number of a camera (0 is the first), or the address of a stream.")]  # fmt: skip
_Out = Annotated[Path | None, opt.file_option("--out", "Write the film with faces framed and named "
    "(.webm, .mp4, .mkv, .mov or .avi).", metavar="FILE.mp4")]  # fmt: skip
_Tracks = Annotated[Path | None, opt.file_option("--tracks", "Write what each face showed in each "
    "frame (.csv or .parquet).")]  # fmt: skip
_Session = Annotated[Path | None, opt.file_option("--session", "Write what the group showed over "
    "time, and nothing of a single face.", metavar="FOLDER")]  # fmt: skip


def video(
    source: _Source,
    *,
    out: _Out = None,
    tracks: _Tracks = None,
    session: _Session = None,
    min_group: opt.MinGroup = None,
    window: opt.WindowSeconds = None,
    index: opt.GroupIndex = None,
    model: opt.Model = "default",
    allow: opt.Allow = opt.NONE,
    threads: opt.Threads = None,
    confidence: opt.Confidence = 0.0,
    min_face: opt.MinFace = MIN_FACE,
    detector: opt.DetectorName = "default",
    detect_size: opt.DetectSize = DETECT_SIZE,
) -> int:
    """Follow the faces of a film, a camera or a stream and print what they show over time.

    That is the label that annotators would give them, not what people feel. On the screen stands a
    summary of all faces; files about single faces are written only where --out or --tracks names
    them. --session writes what may be told of the group as a whole, and nothing else.
    """
    using = opt.ModelOptions(model, allow, threads, confidence, min_face, detector, detect_size)
    group = {"min-group": min_group, "window": window, "index": index}
    if session is None:
        for name, value in group.items():
            if value is not None:
                raise UserError(f"--{name} is about a group: add --session FOLDER")
        return _tracks(source, out, tracks, using)
    for name, path in (("out", out), ("tracks", tracks)):
        if path is not None:
            raise UserError(
                f"--session and --{name} don't go together: --{name} shows every single face, "
                "which would undo that --session withholds what small groups show. Leave one out"
            )
    return _session(
        source,
        session,
        using=using,
        min_group=min_group or MIN_GROUP,
        seconds=window or WINDOW_SECONDS,
        index=index,
    )


@dataclass
class Tally:
    """What was seen so far, in numbers that don't grow with the film."""

    frames: int = 0
    seconds: float = 0.0
    labels: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False


def _tracks(name: str, out: Path | None, tracks: Path | None, using: opt.ModelOptions) -> int:
    """Follow single faces; write the annotated film and the table that are named."""
    from fer.inference.drawing import annotated
    from fer.live import (
        FacePipeline,
        check_tracks_path,
        check_video_path,
        open_source,
        open_track_writer,
        open_video_writer,
    )
    from fer.pictures import shown

    if out is not None:
        check_video_path(out)
    if tracks is not None:
        check_tracks_path(tracks)
    for path in (out, tracks):
        if path is not None and Path(name).exists() and path.resolve() == Path(name).resolve():
            raise UserError(f"{shown(path)} is the film that is read: name another file")
    recognizer = opt.load_recognizer(using)
    source = open_source(name, say=_say)
    pipeline = FacePipeline(recognizer)
    tally = Tally()
    with ExitStack() as stack:
        film = table = None
        if out is not None:
            film = stack.enter_context(open_video_writer(out, source.rate))
        if tracks is not None:
            table = stack.enter_context(open_track_writer(tracks, recognizer.classes))

        def step(frame: Frame) -> Callable[[], None]:
            faces = pipeline.step(frame)
            image = None
            if film is not None:
                image = annotated(frame.image, [one.face for one in faces])
                # Here Ctrl-C gets through, however long the gap is.
                film.fill(frame.time)

            def write() -> None:
                if film is not None and image is not None:
                    film.add(image, frame.time)
                if table is not None:
                    table.add(frame.time, faces)
                tally.frames, tally.seconds = tally.frames + 1, frame.time
                tally.labels.update(one.face.label for one in faces)

            return write

        _work(source, step, tally)
    _summarise(tally, pipeline.tracker.count, recognizer)
    if film is not None and out is not None:
        _describe_film(out, film)
    return _exit_code(source, tally)


def _session(
    name: str,
    folder: Path,
    *,
    using: opt.ModelOptions,
    min_group: int,
    seconds: float,
    index: opt.IndexName | None,
) -> int:
    """Write what may be told of the group in a film or stream, and nothing of a single face."""
    from fer.live import Session, open_source, source_title
    from fer.reporting.session import Record, check_session_folder, write_session

    check_session_folder(folder)
    recognizer = opt.load_recognizer(using)
    source = open_source(name, say=_say)
    session = Session(recognizer, seconds=seconds, min_group=min_group, index=index)
    record = Record(session.aggregator, source_title(name), Path(using.model).name)
    if not session.aggregator.measures.has_valence:
        left_out = "valence" if index is None else f"valence and --index {index}"
        _say(f"{left_out} left out: the model's classes are not the seven emotions")
    tally = Tally()

    def step(frame: Frame) -> Callable[[], None]:
        window = session.step(frame).window

        def keep() -> None:
            record.add(window)
            tally.frames, tally.seconds = tally.frames + 1, frame.time

        return keep

    _work(source, step, tally)
    record.add(session.close())
    names = write_session(folder, record)
    if "timeline.parquet" not in names:
        _say("no timeline.parquet without pyarrow: pip install '.[video]'")
    _summarise_group(tally, record)
    return _exit_code(source, tally)


def _work(source: Source, step: Callable[[Frame], Callable[[], None]], tally: Tally) -> None:
    """Take all frames, until the source ends or Ctrl-C, which does not cut what a step returns.

    Raises:
        KeyboardInterrupt: before the first frame was done.
    """
    from tqdm import tqdm

    bar = tqdm(total=source.total, unit=" frames", disable=None, leave=False)
    frames = source.frames()
    try:
        with InterruptGuard() as interrupts:
            for frame in frames:
                write = step(frame)
                with interrupts.defer_interrupts():
                    write()
                bar.update()
    except KeyboardInterrupt:
        tally.interrupted = True
    finally:
        frames.close()
        bar.close()
    if not tally.frames:
        raise KeyboardInterrupt


def _exit_code(source: Source, tally: Tally) -> int:
    if tally.interrupted:
        _say("interrupted; what was seen is kept")
        return INTERRUPTED
    return SOME_FAILED if source.is_lost else DONE


def _summarise(tally: Tally, tracks: int, recognizer: Recognizer) -> None:
    """Write what all faces together showed."""
    from fer.inference import UNCERTAIN

    put = sys.stdout.write
    frames = pluralize(tally.frames, "frame")
    put(f"{frames}, {tally.seconds:.1f} s, {pluralize(tracks, 'track')}\n")
    seen = sum(tally.labels.values())
    if not seen:
        put("no face found\n")
        return
    put(f"{seen / tally.frames:.1f} faces a frame; of all of them showed\n")
    for name in (*recognizer.classes, UNCERTAIN):
        put(f"  {name:<12}{100 * tally.labels[name] / seen:>5.1f} %\n")


def _summarise_group(tally: Tally, record: Record) -> None:
    """Write what may be told of the group in a few lines."""
    put = sys.stdout.write
    frames = pluralize(tally.frames, "frame")
    put(f"{frames}, {tally.seconds:.1f} s, {record.heads:.1f} faces in sight\n")
    told = sum(one.end - one.start for one in record.told)
    put(f"emotions of the group told for {format_duration(told)}, withheld for ")
    put(f"{format_duration(max(0.0, tally.seconds - told))}\n")
    for point in record.turning():
        put(f"turning point at {format_duration(point.time)}\n")


def _describe_film(path: Path, film: VideoWriter) -> None:
    from fer.live.video_writer import GAP
    from fer.pictures import shown

    sys.stdout.write(f"{shown(path)}: {film.coding}\n")
    if film.gaps:
        _say(f"of {pluralize(film.gaps, 'gap')} in the times, longer than {GAP:g} s, "
            f"{film.left_out:,.1f} s are left out of {shown(path)}")  # fmt: skip
