"""Moved to :mod:`fer.core.text`."""

from fer.core.text import format_duration, pluralize, printable

clock = format_duration
counted = pluralize
plain = printable

__all__ = ["clock", "counted", "plain"]
