# `make run` and `make test` do all the set-up they need: a virtual environment in .venv, made once and
# again when the requirements change. PYTHON names the interpreter (3.11 or later) to make it with;
# ARGS goes to pytest or to the benchmarks: make test ARGS="tests/api -k pairing".
# Tests run in five processes, each with stores of its own: most wait, for the clock or a store, more than they compute.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.requirements
ARGS ?=

.PHONY: run test check fmt bench setup tools
.DEFAULT_GOAL := run

run: $(STAMP)
	@exec $(BIN)/python server.py

test: $(STAMP) tools
	$(BIN)/python -m pytest -q -n 5 --dist loadfile $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/contract

fmt: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m bench $(ARGS)

setup: $(STAMP)

# Chromium and nginx, for the tests that drive them. Needs root and apt; without, those tests are skipped by name.
tools:
	@sh deploy/test-tools.sh

$(STAMP): requirements.txt requirements-dev.txt
	@sh deploy/make-venv.sh "$(PYTHON)" .venv
	@touch $(STAMP)
