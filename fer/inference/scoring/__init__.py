"""Whole tables of pictures or faces, scored part by part: ``fer predict TABLE --to FOLDER``."""

from fer.inference.scoring.folder import Job, begun
from fer.inference.scoring.local import score_here
from fer.inference.scoring.parts import Part
from fer.inference.scoring.table import Table, open_table

__all__ = ["Job", "Part", "Table", "begun", "open_table", "score_here"]
