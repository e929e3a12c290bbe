# make demo and make test do everything on a bare machine with Python 3.11 or later and pip.

PYTHON ?= python3
VENV := .venv
LABEL_STUDIO := .venv-label-studio
BIN := $(VENV)/bin
TOLD := OVSEG_LABEL_STUDIO_PYTHON=$(CURDIR)/$(LABEL_STUDIO)/bin/python
# In tests torch has one thread, also in what they start; numpy has two, which learning takes to one.
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=2
# A process of tests for each core; each takes whole files (tests/conftest.py).
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --no-loadscope-reorder
# Tests of the napari window need a display; a virtual one does.
DISPLAYED := $(shell command -v xvfb-run >/dev/null && echo 'xvfb-run --auto-servernum --server-args="-screen 0 1400x1000x24"')
PIP := -m pip --disable-pip-version-check --quiet install

.PHONY: help demo test soak lint bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    draw pictures, annotate them with the bundled model, make a page of them"
	@echo "make test    all tests"
	@echo "make soak    kills, full disks, hostile files: a quarter of an hour of bad days"
	@echo "make lint    ruff, mypy --strict and import-linter"
	@echo "make bench   measure; writes benchmarks/results.json and docs/benchmarks.md"
	@echo "make clean   remove what these commands made"

# The files made-* say that a step is done, so that the next call is quick.
$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/made-install: $(VENV)/made pyproject.toml constraints.txt
	@echo "installing into $(VENV); torch is large, so the first time takes minutes"
	$(BIN)/python $(PIP) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/made-dev: $(VENV)/made-install
	$(BIN)/python $(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

# The real Label Studio and its SDK are for tests only; their pins do not go together with ours.
$(LABEL_STUDIO)/made-install: tests/label_studio_environment.txt
	$(PYTHON) -m venv $(LABEL_STUDIO)
	$(LABEL_STUDIO)/bin/python $(PIP) --requirement tests/label_studio_environment.txt
	@touch $@

demo: $(VENV)/made-install
	@rm -rf demo
	$(BIN)/ovseg scenes demo --style microscopy --count 12 --seed 3 --size 192
	$(BIN)/ovseg annotate demo/pictures --prompts @demo/words.yaml --out demo/labels --formats label-studio,masks
	$(BIN)/ovseg compare demo/labels demo/truth
	$(BIN)/ovseg show demo/labels

test: $(VENV)/made-dev $(LABEL_STUDIO)/made-install
	$(THREADS) $(TOLD) $(DISPLAYED) $(BIN)/python -m pytest $(SIDE_BY_SIDE)

# Every file here knows a long form; tests of others that are marked `soak` are added by name.
SOAK := tests/training/test_elastic.py tests/end_to_end/test_serve.py tests/fleet tests/soak \
	tests/hostile tests/fine_tuning
SEED :=

soak: $(VENV)/made-dev $(LABEL_STUDIO)/made-install
	$(THREADS) $(TOLD) $(BIN)/python -m pytest $(SIDE_BY_SIDE) --soak $(if $(SEED),--soak-seed $(SEED)) $(SOAK)

lint: $(VENV)/made-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/made-dev $(LABEL_STUDIO)/made-install
	$(TOLD) $(DISPLAYED) $(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) $(LABEL_STUDIO) demo build dist
