"""``fer predict TABLE --to FOLDER``: a whole table of pictures or faces."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer.core.errors import UserError
from fer.core.io import real_path
from fer.core.text import pluralize
from fer.options import whole

if TYPE_CHECKING:
    from fer.inference import Recognizer
    from fer.inference.scoring import Part, ScoringJob

#: The options of ``fer predict`` that are of tables alone, and what they are unless given.
ONLY_TABLES: Final = {
    "shards": 1, "shard": 0, "engine": "local", "column": None, "part": None,
}  # fmt: skip


def score_table(options: argparse.Namespace) -> int:
    """Score the table that ``options`` name and return the exit code.

    Raises:
        UserError: something is not as it should be; nothing was done.
        OSError: something can't be read or written.
    """
    _check(options)
    from fer.inference.onnx_model import usable_threads
    from fer.inference.scoring import (
        ScoringJob,
        ScoringOptions,
        claim_output_dir,
        open_table,
        summarize,
    )
    from fer.pictures import shown

    (path,) = options.pictures
    table = open_table(path, column=options.column, rows=options.part)
    if options.crops and table.kind == "crops":
        raise UserError("--crops is for pictures that a table names; this one holds faces already")
    how = ScoringOptions(
        crops=options.crops,
        tta=options.tta,
        confidence=options.confidence,
        min_face=options.min_face,
        detector=options.detector,
        detect_size=options.detect_size,
    )
    # On Ray, as many recognizers work at once as there are cores.
    usual = 1 if options.engine == "ray" else usable_threads()
    threads = usual if options.threads is None else options.threads
    job = ScoringJob(table, options.to, options.model, how, threads, tuple(options.allow))
    # Before the folder is claimed, and before Ray starts: what can't be used is told at once.
    recognizer = job.recognizer()
    with claim_output_dir(job, options.shard, options.shards) as left:
        interrupted = _work(job, recognizer, left, options)
        done = summarize(job, options.shard, options.shards)
    say = sys.stderr.write
    if done.problems:
        say(f"fer predict: {done.problems:,} of {done.rows:,} rows could not be read:\n")
        say("".join(f"  {line}\n" for line in done.examples))
        if done.problems > len(done.examples):
            more = done.problems - len(done.examples)
            say(f"  ... and {more:,} more: the column 'problem' has them all\n")
    of = f"shard {options.shard} of {options.shards}: " if options.shards > 1 else ""
    say(
        f"{of}{pluralize(done.rows, 'row')}, {pluralize(done.faces, 'face')}: {shown(options.to)}\n"
    )
    if interrupted:
        say("fer predict: interrupted; what is done is kept, and the same command goes on\n")
        return 130
    return 1 if done.problems else 0


def _work(
    job: ScoringJob, recognizer: Recognizer, left: Sequence[Part], options: argparse.Namespace
) -> bool:
    """Score what is left; return whether that was interrupted."""
    from tqdm import tqdm

    mine = [p for p in job.table.parts if p.number % options.shards == options.shard]
    total, todo = (sum(part.rows for part in some) for some in (mine, left))
    bar = tqdm(total=total, initial=total - todo, unit=" rows", disable=None, leave=False)
    try:
        if left:
            _engine(options.engine, recognizer)(job, left, bar.update)
    except KeyboardInterrupt:
        return True
    finally:
        bar.close()
    return False


def _engine(
    name: str, recognizer: Recognizer
) -> Callable[[ScoringJob, Sequence[Part], Callable[[int], object]], None]:
    if name == "ray":
        # Its actors load their own.
        from fer.inference.scoring.on_ray import score_on_ray

        return score_on_ray
    from fer.inference.scoring import score_locally

    return partial(score_locally, recognizer=recognizer)


def _check(options: argparse.Namespace) -> None:
    if options.json or options.csv or options.draw:
        raise UserError("--to writes parquet: leave --json, --csv and --draw out")
    if len(options.pictures) != 1:
        raise UserError("--to takes one table: a .csv, a .parquet, or a folder of .parquet files")
    if options.shard >= options.shards:
        raise UserError(
            f"--shard counts from 0: of {options.shards} shards the last is {options.shards - 1}, "
            f"not {options.shard}"
        )
    if find_spec("pyarrow") is None:
        raise UserError("--to writes parquet, which needs: pip install '.[score]'")
    if options.engine == "ray" and find_spec("ray") is None:
        raise UserError("--engine ray needs Ray: pip install '.[ray]'")
    table, to = real_path(options.pictures[0]), real_path(options.to)
    if to == table or table in to.parents:
        from fer.pictures import shown

        raise UserError(f"--to {shown(options.to)} lies in what is read: name another folder")


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of tables to ``fer predict``."""
    count = whole(1)
    add = parser.add_argument_group("tables").add_argument
    add("--to", metavar="FOLDER", type=Path, help="score a whole table: a .csv or .parquet that "
        "names pictures in a column path, a .parquet that holds faces in a column image, or a "
        "folder of such; the answers go there as parquet, part by part")  # fmt: skip
    add("--column", metavar="NAME", help="what the column of names or faces is called "
        "(default: image, else path)")  # fmt: skip
    add("--shards", metavar="N", type=count, default=ONLY_TABLES["shards"], help="divide the table "
        "into N shards, one a process or machine (default: 1)")  # fmt: skip
    add("--shard", metavar="I", type=whole(0), default=ONLY_TABLES["shard"],
        help="which of them to score, from 0")  # fmt: skip
    add("--engine", choices=("local", "ray"), default=ONLY_TABLES["engine"], help="ray: on all "
        "cores, or the cluster that RAY_ADDRESS names, by Ray Data (default: local)")  # fmt: skip
    add("--part", metavar="N", type=count, help="rows a part, the most that a kill costs (default: "
        "4096 faces, 256 pictures)")  # fmt: skip
