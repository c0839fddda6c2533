VENV ?= .venv
PYTHON ?= python3.11
BIN = $(VENV)/bin

.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

install: $(VENV)/.installed ## a virtual environment with everything pinned

serve: install ## Redis, API, worker and page on http://127.0.0.1:8000
	$(BIN)/easel up

test: install ## the whole suite, against a real redis-server
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest

train: install ## train a model: make train RECIPE=mnist-dcgan
	$(BIN)/easel train $(RECIPE)

clean: ## forget the environment and the embedded Redis's data
	rm -rf $(VENV) .easel

.PHONY: help install serve test train clean
