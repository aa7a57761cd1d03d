# make demo | make test | make check. Each sets up .venv by itself; nothing else needs to be installed but Python and make.

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs

# The newest supported Python that runs. To choose another one: make test PYTHON=python3.11
IN_RANGE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c '$(IN_RANGE)' >/dev/null 2>&1 && { echo $$p; break; }; done)

.PHONY: demo test check format lint types contracts test-slow docs clean
.DEFAULT_GOAL := test

demo: $(STAMP)              ## two posteriors from real data: tables, a figure, an ArviZ file in genmlx-demo/
	$(BIN)/genmlx demo

test: $(STAMP)              ## the tests to run while working
	$(BIN)/python -m pytest -n 2 -m "not slow"

check: lint types contracts ## everything that must hold before a change goes in
	$(BIN)/python -m pytest -n 2

format: $(STAMP)            ## rewrites files: layout, order of imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/pyright

contracts: $(STAMP)
	$(BIN)/lint-imports

test-slow: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m slow

docs: $(DOCS_STAMP)         ## the site, in docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet docs docs/_build/html

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "GenMLX needs Python 3.11, 3.12 or 3.13 (with venv): none was found. Say which: make PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) build docs/_build docs/distributions dist genmlx-demo .pytest_cache .ruff_cache .hypothesis .import_linter_cache
