# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9

# Python 3.11 takes the lower end of the support matrix, 3.12 and later the upper end.
REQUIREMENTS := requirements/$(shell $(PYTHON) -c 'import sys; print("py311" if sys.version_info < (3, 12) else "py312")').txt

# How soon faults are told is measured on a machine that does nothing else.
ALONE := tests/integration/readiness/test_failures.py

LAB := $(BIN)/python -m tests.lab
PYTEST := $(BIN)/python -m pytest
# ansible-lint and molecule start Ansible's programs by name.
export PATH := $(abspath $(BIN)):$(PATH)
# Each of many short-lived programs would compile the collection anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup requirements lab-build lab-up lab-down lab-status lab-env demo \
	test lint unit integration molecule sanity soak bench bench-quick

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 20

setup: $(VENV)/.ready ## Make the virtual environment, with this checkout linked in as the collection

$(VENV)/.ready: $(REQUIREMENTS) tests/link_collection.py
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r $(REQUIREMENTS)
	$(BIN)/python tests/link_collection.py
	$(BIN)/python -m tests.awx.collection
	# Compiled once here rather than at every start, where Python is told not to write bytecode.
	$(BIN)/python -m compileall -q -j 0 -x ansible_collections $(VENV)/lib
	touch $@

requirements: setup ## Pin requirements/*.in anew
	for minor in 11 12; do $(BIN)/uv pip compile --quiet --upgrade --no-header --annotation-style line \
		--python-version 3.$$minor requirements/py3$$minor.in -o requirements/py3$$minor.txt; done

lab-build: setup ## Build the lab's control plane, promtool and Helm 4, once for each pinned version
	$(LAB) build

lab-up: setup ## Start the local lab: Kubernetes, PostgreSQL, Valkey, a router
	$(LAB) up

lab-down: setup ## End the lab
	$(LAB) down

lab-status: setup ## Show the lab's parts
	$(LAB) status

lab-env: setup ## Print what a shell evaluates to use the lab
	@$(LAB) env

demo: setup ## Show the main path on the lab, from deploy to route
	$(BIN)/python -m tests.demo

test: lint unit integration molecule sanity ## Run every check and test
	@echo "All checks passed: lint, unit, integration, molecule, sanity"

lint: setup ## Check style, types, and Ansible's rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint --strict .
	MYPYPATH=$(VENV)/collections $(BIN)/mypy -p ansible_collections.ai_aas.inference.plugins
	MYPYPATH=$(VENV)/collections $(BIN)/mypy tests
	$(BIN)/ansible-lint --strict
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows extensions/pipelines/github-actions.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.gitlab-ci extensions/pipelines/gitlab-ci.yml

unit: setup lab-build ## Test decisions, and the chart's renderings
	$(PYTEST) tests/unit --numprocesses auto --dist loadfile

integration: setup lab-build ## Test against the real lab
	$(PYTEST) tests/integration --ignore $(ALONE) --numprocesses 2 --dist loadfile --no-loadscope-reorder
	$(PYTEST) $(ALONE)

molecule: setup lab-build ## Run the main path's scenario
	$(BIN)/molecule test

sanity: setup ## Run ansible-test's sanity tests
	$(BIN)/python tests/sanity.py

soak: setup lab-build ## Run the long proofs in full, from a printed seed; the result is kept in tests/soak.json
	$(BIN)/python tests/soak.py

bench: setup lab-build ## Time the modules beside what people use without them, in the same run
	$(BIN)/python -m tests.benchmarks.registry
	$(BIN)/python -m tests.benchmarks.readiness
	$(BIN)/python -m tests.benchmarks.health
	$(BIN)/python -m tests.benchmarks.drift
	$(BIN)/python -m tests.benchmarks.deploying
	$(BIN)/python -m tests.benchmarks.propagation
	$(BIN)/python -m tests.benchmarks.page

bench-quick: setup lab-build ## Three rounds of the smallest sizes, under 3 minutes; the page is left alone
	BENCH_RESULTS=$$(mktemp -d) $(BIN)/python -m tests.benchmarks.registry --rounds 3 --bulk-rounds 3 --bulk 1
	BENCH_RESULTS=$$(mktemp -d) $(BIN)/python -m tests.benchmarks.propagation --rounds 3 --rollback-rounds 0 --sql-rounds 0
