"""Moved to :mod:`fer.core.errors`."""

from fer.core.errors import UserError

__all__ = ["UserError"]
