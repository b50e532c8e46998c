"""Searching for good settings: what is tried, what was found, and the trials' processes."""

from fer.experiments.search.plan import Parameter, Plan

__all__ = ["Parameter", "Plan"]
