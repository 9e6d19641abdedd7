# The commands of this house. Two are enough: `make demo` and `make test`.

PYTEST_ARGS ?=
HEDDLE := .venv/bin/heddle
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-docker test check format bench clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing; quick when nothing is
	@setup/setup.sh

demo: setup ## start everything, weave 24 patterns, show them, stop everything
	@$(HEDDLE) demo

demo-docker: setup ## the same in containers: builds the images, composes, demonstrates, takes down
	@setup/demo-docker.sh

test: ## all tests, against the real parts
	@setup/setup.sh tests
	@setup/tests.sh $(PYTEST_ARGS)

check: setup ## what a change must pass besides the tests
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

format: setup ## rewrite the sources in the house's format
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

bench: setup ## the river's figures (docs/benchmarks.md)
	$(PYTHON) -m bench.river

clean: ## stop the stack in .heddle and remove it, with caches and demo output
	@if [ -x $(HEDDLE) ] && [ -e .heddle/stack.json ]; then $(HEDDLE) down; fi
	rm -rf .heddle demo-output build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## also remove what set-up installed under this folder
	rm -rf .venv .parts
