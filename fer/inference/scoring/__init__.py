"""Score tables of pictures or faces part by part: ``fer predict TABLE --to FOLDER``."""

from fer.inference.scoring.job import (
    ScoringJob,
    ScoringOptions,
    claim_output_dir,
    score_locally,
    summarize,
)
from fer.inference.scoring.table import Part, Table, open_table

__all__ = [
    "Part",
    "ScoringJob",
    "ScoringOptions",
    "Table",
    "claim_output_dir",
    "open_table",
    "score_locally",
    "summarize",
]
