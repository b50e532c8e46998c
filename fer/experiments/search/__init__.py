"""Searching for good settings by Optuna: the plan, the study, and the trials."""
