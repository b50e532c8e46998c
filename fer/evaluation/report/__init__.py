"""The judgement as one self-contained page."""

from fer.evaluation.report.page import write_report

__all__ = ["write_report"]
