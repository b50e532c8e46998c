"""Moved to :mod:`fer.core.process`."""

from fer.core.process import child_environment, interrupt_on_signals, log_lines, stop_processes

environment_of = child_environment
signals_interrupt = interrupt_on_signals
without_bar = log_lines
stop = stop_processes

__all__ = ["environment_of", "signals_interrupt", "stop", "without_bar"]
