"""``fer video --session FOLDER``: the group over time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fer.options import MIN_GROUP, WINDOW, recognizer_of
from fer.video import Tally, ended, say, work
from fer.words import clock, counted

if TYPE_CHECKING:
    from fer.live import Frame
    from fer.live.report import Record


def write(options: argparse.Namespace) -> int:
    """Write what may be told of the group in a film or stream, and nothing of a single face.

    Args:
        options: of ``fer video``.

    Returns:
        The exit code.
    """
    from fer.live import Session, open_source
    from fer.live.report import Record, check_session_folder, write_session

    check_session_folder(options.session)
    recognizer = recognizer_of(options)
    source = open_source(options.source, say=say)
    session = Session(
        recognizer,
        seconds=options.window or WINDOW,
        min_group=options.min_group or MIN_GROUP,
        index=options.index,
    )
    record = Record(session.aggregator, title_of(options.source), Path(options.model).name)
    if not session.aggregator.measures.has_valence:
        left_out = "valence" if options.index is None else f"valence and --index {options.index}"
        say(f"{left_out} left out: the model's classes are not the seven emotions")
    tally = Tally()

    def step(frame: Frame) -> Callable[[], None]:
        window = session.step(frame).window

        def kept() -> None:
            record.add(window)
            tally.frames, tally.seconds = tally.frames + 1, frame.time

        return kept

    work(source, step, tally)
    if not tally.frames:
        raise KeyboardInterrupt
    record.add(session.close())
    names = write_session(options.session, record)
    if "timeline.parquet" not in names:
        say("no timeline.parquet without pyarrow: pip install '.[video]'")
    _summarise(tally, record)
    return ended(source, tally)


def _summarise(tally: Tally, record: Record) -> None:
    """Write what may be told of the group in a few lines."""
    put = sys.stdout.write
    frames = counted(tally.frames, "frame")
    put(f"{frames}, {tally.seconds:.1f} s, {record.heads:.1f} faces in sight\n")
    told = sum(one.end - one.start for one in record.told)
    put(f"emotions of the group told for {clock(told)}, withheld for ")
    put(f"{clock(max(0.0, tally.seconds - told))}\n")
    for point in record.turning():
        put(f"turning point at {clock(point.time)}\n")


def title_of(source: str) -> str:
    """Return what a page calls a source: no path, and no password."""
    from fer.live.sources import without_password
    from fer.pictures import shown

    return without_password(source) if "://" in source else shown(Path(source).name)
