# `make demo` and `make test` need Python 3.11 to 3.13 and nothing else.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-all format clean

help: ## Say what there is.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: .venv/.train ## Create the environment, then train and test on the built-in faces.
	$(BIN)/python -m fer.train experiment=demo

test: .venv/.dev ## Style, types, layers, tests, doctests and coverage (at most 8 minutes on 2 cores).
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# By themselves: tracing Hydra's parser takes as long as all that they do.
	$(BIN)/python -m pytest -n 2 -m "not slow" tests/config
	$(BIN)/python -m pytest -n 2 -m "not slow" --ignore=tests/config --cov --cov-report=term:skip-covered --cov-fail-under=90

test-all: .venv/.dev ## What takes longer: kills, browsers, tables, the built wheel in environments of its own.
	$(BIN)/python -m pytest -m slow

format: .venv/.dev ## Put the code into the project's style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment and what tools left.
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .coverage* build dist

.venv/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "fer needs Python 3.11 to 3.13, but $(PYTHON) is %d.%d: run make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.train: pyproject.toml | .venv/.python
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	@touch $@

.venv/.dev: pyproject.toml | .venv/.python
	$(BIN)/python -m pip install --quiet --editable '.[train,video,score,serve,labels,search,launchers,ray,dev]'
	@touch $@ .venv/.train
