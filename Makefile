# make help lists what there is. Everything installs into .venv from lock files with hashes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 4

.DEFAULT_GOAL := help
.PHONY: help install demo check lint types layers test lock sdl wheel bench bench-answering clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "%-16s %s\n", $$1, $$2}'

install: $(VENV)/installed ## Make .venv with all that development needs

$(VENV)/installed: requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(VENV)/installed ## Run the gateway with a demo market on an embedded PostgreSQL
	$(BIN)/gateway demo

check: lint types layers test ## All that CI checks

lint: $(VENV)/installed ## Style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed ## Strict types
	$(BIN)/mypy

layers: $(VENV)/installed ## Imports point down only
	$(BIN)/lint-imports

test: $(VENV)/installed ## Tests: SDL snapshot, migration drift, docs and wheel included
	$(BIN)/pytest -n $(JOBS) --dist worksteal --durations=15 --durations-min=10

sdl: $(VENV)/installed ## Write schema.graphql from the code
	$(BIN)/python -m gateway.app.sdl > schema.graphql.part && mv schema.graphql.part schema.graphql

lock: ## Renew both lock files: newest versions, hashes, no registry address
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile --no-config --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --extra dev pyproject.toml -o requirements-dev.lock
	$(VENV)/lock/bin/uv pip compile --no-config --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header -c requirements-dev.lock pyproject.toml -o requirements.lock

wheel: $(VENV)/installed ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation -w dist .

bench: $(VENV)/installed ## Run the benchmarks of files (a million rows; some minutes)
	$(BIN)/python -m benchmarks.files --rows 1000000

bench-answering: $(VENV)/installed ## Run the benchmark of answers beside PostGraphile (needs npm; half an hour)
	$(BIN)/python -m benchmarks.answering --rows 10000000

clean: ## Remove what was built
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis
