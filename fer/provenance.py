"""Moved to :mod:`fer.core.provenance`."""

from fer.core.provenance import command_line, describe

__all__ = ["command_line", "describe"]
