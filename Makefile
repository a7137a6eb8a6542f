# facepairs: `make demo` and `make test` set everything up by themselves. `make` lists the verbs.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= out/demo
PAIRS ?= 200
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench lock clean

help: ## list the verbs
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.ready assets/data/fetched/79999_iter.pth ## environment and fetched weights

$(VENV)/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "facepairs needs Python 3.11 and found no '$(PYTHON)'; install it or name yours: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"facepairs is locked for Python 3.11 and {sys.executable} is {v[0]}.{v[1]}; name a 3.11: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's venv module is missing; on Debian: apt-get install python3.11-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

assets/data/fetched/79999_iter.pth: $(VENV)/.ready assets/fetch.lock
	$(BIN)/facepairs assets fetch
	@touch $@

demo: setup ## make pairs from the photographs and heads that ship
	$(BIN)/facepairs synthesize --pairs $(PAIRS) --workers $(WORKERS) --out $(DEMO)
	$(BIN)/facepairs verify $(DEMO) --deep
	@echo "Look at $(DEMO)/contact_sheet.png and open $(DEMO)/report.html in a browser."

# Tests start servers and kill processes; what fails beside others on few cores is tried once more alone.
test: setup ## run the tests, a process for each core
	$(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile || $(BIN)/pytest --last-failed --last-failed-no-failures none

lint: setup ## style, types and the import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## every kernel beside its peer, and the table in the docs
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.table

lock: ## resolve requirements.lock again (needs pip-tools)
	pip-compile --quiet --generate-hashes --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --no-emit-options --strip-extras --extra dev --allow-unsafe --output-file=requirements.lock pyproject.toml

clean: ## remove what the demo made
	rm -rf out
