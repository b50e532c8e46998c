"""``report.html`` of an evaluation."""

from fer.reporting.evaluation.page import write_report

__all__ = ["write_report"]
