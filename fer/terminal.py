"""Moved to :mod:`fer.core.text`."""

from fer.core.text import escape_unencodable_output

say_in_any_letters = escape_unencodable_output

__all__ = ["say_in_any_letters"]
