PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DATA   ?= digits
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: study test lint golden benchmarks clean help

help:        ## what can be made here
	@grep -E '^[a-z]+: .*##' Makefile | sed 's/:.*##/\t/'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable ".[dev]"
	@touch $@ $(VENV)/.run-installed

study: $(VENV)/.run-installed  ## forecast, train, measure and report: DATA=digits by default
	$(BIN)/scorelens study "$(DATA)"

test: $(VENV)/.dev-installed  ## the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2

lint: $(VENV)/.dev-installed  ## style, types and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

golden: $(VENV)/.dev-installed  ## evaluate every case of FILE=golden.json
	@test -n "$(FILE)" || { echo "usage: make golden FILE=path/to/golden.json"; exit 2; }
	@$(BIN)/python tests/golden/run.py "$(FILE)"

benchmarks: $(VENV)/.dev-installed  ## every benchmark, as ratios against a named alternative
	@for b in $(filter-out benchmarks/two_odes.py benchmarks/dense_scores.py,$(wildcard benchmarks/*.py)); do echo "== $$b"; $(BIN)/python $$b || exit 1; done

clean:       ## remove what make created
	rm -rf $(VENV) build dist
