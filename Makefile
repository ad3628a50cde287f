# Two commands set everything up: `make demo` and `make test`. Both make .venv in the checkout.
PYTHON ?= python3.11
ifeq ($(shell command -v $(PYTHON)),)
PYTHON := python3
endif
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# JupyterLab refuses to run as root (in a container, say) unless it is told.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

# What JupyterLab adds to a notebook beside its outputs, which git strips too.
STRIPPED := --extra-keys "metadata.language_info metadata.widgets"

.PHONY: demo lab page test quick sweep bench lint docs clean

demo: $(VENV)/.base
	$(BIN)/commentator run demo

# Git strips what running a notebook adds to it, so that a run leaves the checkout as it was; JupyterLab saves every two
# seconds, so that a panel is there again after a reload, and asks no questions at its first start.
lab: $(VENV)/.notebooks
	@if git rev-parse --git-dir >/dev/null 2>&1; then \
		git config --local filter.nbstripout.clean '"$(abspath $(BIN))/python" -m nbstripout $(STRIPPED)'; \
		git config --local filter.nbstripout.smudge cat; \
	fi
	JUPYTER_CONFIG_PATH="$(CURDIR)/notebooks/.jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
		$(BIN)/jupyter lab $(AS_ROOT) --LabApp.news_url=None $(LAB_OPTIONS) notebooks/01_live_demo.ipynb

page: $(VENV)/.notebooks
	$(BIN)/python -m commentator_lib.notebook.page

# Image-text models are tested with the newest transformers too, in folders beside .venv's packages.
VLM := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal tests/commentators/vlm
test: $(VENV)/.test $(VENV)/.newest
	$(BIN)/python -m tests; status=$$?; \
	echo "Image-text models, Llama 4 with the pinned transformers (it needs torchvision):"; \
	PYTHONPATH=$(CURDIR)/$(VENV)/torchvision $(VLM)/test_families.py -k llama4 || status=1; \
	echo "Image-text models, all with the newest transformers:"; \
	PYTHONPATH=$(CURDIR)/$(VENV)/torchvision:$(CURDIR)/$(VENV)/transformers $(VLM) || status=1; \
	exit $$status

# The tests that need no browser, no network and no real time.
quick: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m 'not (browser or network or realtime or slow)' tests

sweep: $(VENV)/.notebooks
	$(BIN)/python -m experiments.sweep $(or $(SWEEP),experiments/sweeps/stride_threshold_cap.toml)

bench: $(VENV)/.test
	$(BIN)/python -m experiments.bench_scene
	$(BIN)/python -m experiments.bench_baseline
	$(BIN)/python -m experiments.bench_pacing
	$(BIN)/python -m experiments.bench_programme
	$(BIN)/python -m experiments.bench_overhead
	$(BIN)/python -m experiments.bench_player
	$(BIN)/python -m experiments.bench_match --pages

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the base packages into $(VENV) (about a minute) ..."
	$(PIP) --editable .
	@touch $@

$(VENV)/.notebooks: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the base and notebook packages into $(VENV) (about a minute) ..."
	$(PIP) --editable '.[notebooks,cluster]'
	@touch $(VENV)/.base $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the base, notebook and test packages into $(VENV), PyTorch among them (about three minutes) ..."
	$(PIP) --editable '.[test,notebooks,serve,openai,cluster]'
	@touch $(VENV)/.base $(VENV)/.notebooks $@

# torchvision's compiled part is for one PyTorch, that of constraints.txt; the tests do not need it.
NEWEST := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --upgrade --target
$(VENV)/.newest: tests/commentators/vlm/newest.txt | $(VENV)/bin/python
	@echo "Installing the newest transformers into $(VENV)/transformers, for tests (about half a minute) ..."
	$(NEWEST) $(VENV)/transformers --requirement tests/commentators/vlm/newest.txt
	$(NEWEST) $(VENV)/torchvision torchvision==0.28.0
	@touch $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing what builds the pages into $(VENV) ..."
	$(PIP) --editable '.[docs]'
	@touch $(VENV)/.base $@

clean:
	rm -rf $(VENV) runs
