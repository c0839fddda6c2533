VENV ?= .venv
PYTHON ?= python3.11
BIN = $(VENV)/bin
CONFORM_PORT ?= 8765
SHELL = /bin/bash

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

browser: ## Debian's chromium, which the tests of the page run in
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null \
		&& apt-get update -qq && apt-get install -y -qq chromium; } \
		|| echo "chromium is not installed and cannot be: the tests of the page will be skipped"

test: install browser ## the whole suite, against a real redis-server and in a real browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest

conform: install ## at least 2,000 generated requests against the OpenAPI document (schemathesis)
	$(PYTHON) -m venv .easel/conform && .easel/conform/bin/pip install --quiet schemathesis==4.32.5
	EASEL_PORT=$(CONFORM_PORT) EASEL_DATA_DIR=.easel/conform-data $(BIN)/easel up & \
	trap 'kill -INT %1; wait' EXIT; \
	until curl -sf localhost:$(CONFORM_PORT)/readyz > /dev/null; do sleep 0.5; done; \
	.easel/conform/bin/st run http://127.0.0.1:$(CONFORM_PORT)/openapi.json --max-examples 60 --request-timeout 70 \
		--checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance

bench: install ## Easel against the bare forward pass, LitServe and BentoML: ten minutes on an idle machine
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(PYTHON) -m venv .easel/bento
	echo $(CURDIR)/$$(echo $(VENV)/lib/python3*/site-packages) > $$(echo .easel/bento/lib/python3*/site-packages)/easel.pth
	.easel/bento/bin/pip install --quiet --disable-pip-version-check bentoml==1.4.39
	$(BIN)/python -m benchmarks.serve --bento .easel/bento/bin/python

soak: install ## three minutes of random load while processes are killed, and then nothing may be lost
	$(BIN)/python -m benchmarks.soak --minutes 3

memory: install ## what processes hold, over 200 switches of models and 50,000 predictions
	for what in idle switches predictions; do $(BIN)/python -m benchmarks.memory $$what || exit 1; done

train: install ## train a model: make train RECIPE=mnist-dcgan
	$(BIN)/easel train $(RECIPE)

clean: ## forget the environment and the embedded Redis's data
	rm -rf $(VENV) .easel

.PHONY: help install serve browser test conform bench soak memory train clean
