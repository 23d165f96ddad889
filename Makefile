# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
PYTHON ?= python3
VENV ?= .venv
UV_VERSION := 0.13.9
BIN := $(VENV)/bin

# Python 3.11 takes the lower end of the support matrix, 3.12 and later the upper end.
REQUIREMENTS := requirements/$(shell $(PYTHON) -c 'import sys; print("py311" if sys.version_info < (3, 12) else "py312")').txt

.DEFAULT_GOAL := help
.PHONY: help setup requirements

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 20

setup: $(VENV)/.ready ## Make the virtual environment, with this checkout linked in as the collection

$(VENV)/.ready: $(REQUIREMENTS)
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r $(REQUIREMENTS)
	$(BIN)/python tests/link_collection.py
	touch $@

requirements: setup ## Pin requirements/*.in anew
	for minor in 11 12; do $(BIN)/uv pip compile --quiet --upgrade --no-header --annotation-style line --python-version 3.$$minor requirements/py3$$minor.in -o requirements/py3$$minor.txt; done
