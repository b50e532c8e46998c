"""``fer predict TABLE --to FOLDER``: a whole table of pictures or faces."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fer.commands.exit_codes import DONE, INTERRUPTED, SOME_FAILED, warn
from fer.commands.options import ModelOptions
from fer.core.errors import UserError
from fer.core.io import real_path
from fer.core.text import pluralize

if TYPE_CHECKING:
    from fer.inference import Recognizer
    from fer.inference.scoring import Part, ScoringJob

Engine = Literal["local", "ray"]


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Where a table's answers go, and how it is divided: see ``fer predict --help``."""

    to: Path
    column: str | None
    shards: int
    shard: int
    engine: Engine
    part: int | None


def score_table(
    named: Sequence[Path], options: TableOptions, using: ModelOptions, *, crops: bool, tta: bool
) -> int:
    """Score a table and return the exit code.

    Args:
        named: what the command line names, one table.
        options: how it is divided and where the answers go.
        using: the model.
        crops: the pictures that its rows name are faces.
        tta: look at each face ten times.

    Raises:
        UserError: something is not as it should be; nothing was done.
        OSError: something can't be read or written.
    """
    _check(named, options)
    from fer.inference.onnx_model import usable_threads
    from fer.inference.scoring import (
        ScoringJob,
        ScoringOptions,
        claim_output_dir,
        open_table,
        summarize,
    )
    from fer.pictures import shown

    table = open_table(named[0], column=options.column, rows=options.part)
    if crops and table.kind == "crops":
        raise UserError("--crops is for pictures that a table names; this one holds faces already")
    how = ScoringOptions(
        crops=crops,
        tta=tta,
        confidence=using.confidence,
        min_face=using.min_face,
        detector=using.detector,
        detect_size=using.detect_size,
    )
    # On Ray, as many recognizers work at once as there are cores.
    usual = 1 if options.engine == "ray" else usable_threads()
    threads = usual if using.threads is None else using.threads
    job = ScoringJob(table, options.to, using.model, how, threads, tuple(using.allow))
    # Before the folder is claimed, and before Ray starts: what can't be used is reported at once.
    recognizer = job.recognizer()
    with claim_output_dir(job, options.shard, options.shards) as left:
        interrupted = _work(job, recognizer, left, options)
        done = summarize(job, options.shard, options.shards)
    if done.problems:
        warn("fer predict", f"{done.problems:,} of {done.rows:,} rows could not be read:")
        sys.stderr.write("".join(f"  {line}\n" for line in done.examples))
        if more := done.problems - len(done.examples):
            sys.stderr.write(f"  ... and {more:,} more: the column 'problem' has them all\n")
    shard = f"shard {options.shard} of {options.shards}: " if options.shards > 1 else ""
    counts = f"{pluralize(done.rows, 'row')}, {pluralize(done.faces, 'face')}"
    sys.stderr.write(f"{shard}{counts}: {shown(options.to)}\n")
    if interrupted:
        warn("fer predict", "interrupted; what is done is kept, and the same command resumes")
        return INTERRUPTED
    return SOME_FAILED if done.problems else DONE


def _work(
    job: ScoringJob, recognizer: Recognizer, left: Sequence[Part], options: TableOptions
) -> bool:
    """Score what is left; return True if that was interrupted."""
    from tqdm import tqdm

    mine = [p for p in job.table.parts if p.number % options.shards == options.shard]
    total, todo = (sum(part.rows for part in parts) for parts in (mine, left))
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
    name: Engine, recognizer: Recognizer
) -> Callable[[ScoringJob, Sequence[Part], Callable[[int], object]], None]:
    if name == "ray":
        # Its actors load their own.
        from fer.inference.scoring.on_ray import score_on_ray

        return score_on_ray
    from fer.inference.scoring import score_locally

    return partial(score_locally, recognizer=recognizer)


def _check(named: Sequence[Path], options: TableOptions) -> None:
    if len(named) != 1:
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
    table, to = real_path(named[0]), real_path(options.to)
    if to == table or table in to.parents:
        from fer.pictures import shown

        raise UserError(f"--to {shown(options.to)} lies in what is read: name another folder")
