"""Moved to :mod:`fer.core.process`."""

from fer.core.process import InterruptGuard

Interrupts = InterruptGuard

__all__ = ["Interrupts"]
