"""Moved to :mod:`fer.core.telemetry`."""

from fer.core.telemetry import OFF, disable_telemetry

switch_off = disable_telemetry

__all__ = ["OFF", "switch_off"]
