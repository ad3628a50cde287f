# Two commands set everything up: `make demo` and `make test`. Both make .venv in the checkout.
PYTHON ?= python3.11
ifeq ($(shell command -v $(PYTHON)),)
PYTHON := python3
endif
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test bench lint clean

demo: $(VENV)/.base
	$(BIN)/commentator run demo

test: $(VENV)/.test
	$(BIN)/python -m pytest

bench: $(VENV)/.base
	$(BIN)/python -m experiments.bench_scene
	$(BIN)/python -m experiments.bench_eye
	$(BIN)/python -m experiments.bench_pacing
	$(BIN)/python -m experiments.bench_programme
	$(BIN)/python -m experiments.bench_overhead

lint: $(VENV)/.test
	$(BIN)/ruff check .

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the base packages into $(VENV) (about a minute) ..."
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the base and test packages into $(VENV) (about a minute) ..."
	$(PIP) --editable '.[test,ocr]'
	@touch $(VENV)/.base $@

clean:
	rm -rf $(VENV) runs
