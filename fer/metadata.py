"""Moved to :mod:`fer.core.metadata`."""

from fer.core.metadata import Column, Columns, describe, encode

__all__ = ["Column", "Columns", "describe", "encode"]
