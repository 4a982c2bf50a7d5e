# Each target does its own set-up; nothing is needed but Python >= 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONPATH := $(CURDIR)

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test lint bench conformance constraints docs clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: .venv/.installed  ## Create .venv and install the pinned packages

.venv/.installed: requirements.txt requirements-dev.txt constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	command -v uv >/dev/null || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	PATH="$(CURDIR)/$(BIN):$$PATH" uv pip install --quiet --python $(BIN)/python -r requirements.txt -r requirements-dev.txt -c constraints.txt
	touch $@

bench: setup  ## Measure everything in benchmarks/ (minutes; on an idle machine)
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python -m benchmarks.$$(basename $$script .py) || exit 1; done

conformance: setup  ## Let others' code read the latest release (installs torch in a venv of its own)
	@$(BIN)/python -m local.conformance $(FOLDER)

demo: setup  ## Run all four DAGs on the samples, through a real Airflow
	@$(BIN)/python -m local.demo

up: setup  ## Start Postgres and Airflow; leaves the UI running
	@$(BIN)/python -m local.stack up

down:  ## Stop what `make up` started
	@test ! -x $(BIN)/python || $(BIN)/python -m local.stack down

test: setup  ## Run all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup  ## Check style and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

constraints: setup  ## Resolve constraints.txt again after a change of requirements
	UV_CUSTOM_COMPILE_COMMAND="make constraints" PATH="$(CURDIR)/$(BIN):$$PATH" uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-emit-index-url --no-emit-find-links requirements.txt requirements-dev.txt requirements-image.txt -o constraints.txt

docs: setup  ## Write the DAG reference and the JSON Schemas again from the code
	@AIRFLOW_HOME="$(CURDIR)/.run/airflow" $(BIN)/python -m local.dag_reference
	@$(BIN)/python -m local.schemas

clean: down  ## Remove all run-time state
	rm -rf "$${OPEN_EMPATHIC_RUN:-.run}"
