# Everything a person or a machine does with this repository. `make` alone lists it.
#
#   PYTHON=python3.12   the interpreter that .venv is made with (3.11 or newer)
#   ARGS="..."          passed on to streamlit, pytest or the benchmarks

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# Touched when the packages of a file are installed, so that no command asks the network twice.
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
BENCH := $(VENV)/.installed-bench
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test check bench screenshots clean

help: ## List the commands.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUN) ## Start the dashboard; installs what it needs first.
	@$(BIN)/python -m streamlit run app.py $(ARGS)

demo: $(RUN) ## Start it with made-up keys at simulated providers; needs no account.
	@MOHET_DEMO=1 $(BIN)/python -m streamlit run app.py $(ARGS)

test: $(DEV) ## Run every test, with a real browser too. ARGS="-k name" runs some.
	@scripts/chromium.sh $(BIN)/python
	@scripts/hosting.sh
	@scripts/test.sh $(BIN)/python $(ARGS)

check: $(DEV) ## Run the linter, the formatter and the type checker; nothing is changed.
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

bench: $(BENCH) ## Measure the speed beside its floor. ARGS="--strict" fails when over.
	@$(BIN)/python -m benchmarks $(ARGS)

screenshots: $(DEV) ## Make the pictures in docs/ again, from the demo.
	@scripts/chromium.sh $(BIN)/python
	@$(BIN)/python -m scripts.screenshots $(ARGS)

clean: ## Remove .venv and all caches. Saved keys stay.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@scripts/venv.sh $(PYTHON) $(VENV)

$(RUN): requirements.txt | $(BIN)/python
	@echo "Installing what the app needs into $(VENV)."
	@$(PIP) -r requirements.txt
	@touch $@

$(BENCH): benchmarks/requirements.txt $(RUN)
	@echo "Installing what the benchmarks compare with into $(VENV)."
	@$(PIP) -r benchmarks/requirements.txt
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	@echo "Installing what the tests need into $(VENV)."
	@$(PIP) -r requirements-dev.txt
	@touch $@
