VENV ?= .venv
PYTHON ?= python3.11
BIN = $(VENV)/bin
CONFORM_PORT ?= 8765
LIGHTHOUSE_PORT ?= 8766
# Without a GPU, PyTorch's own index, whose build for CPUs has a tenth of the size; with one, PyPI, whose build has CUDA.
TORCH_INDEX ?= $(if $(shell command -v nvidia-smi),,https://download.pytorch.org/whl/cpu)
MINUTES ?= 3
SHELL = /bin/bash

PIP = $(BIN)/pip --disable-pip-version-check install --quiet
LOCKED = --require-hashes --no-deps
LOCKS = $(addprefix requirements/,torch.txt runtime.txt dev.txt)

LOCK = .easel/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make lock' -c requirements/torch.txt --no-emit-package torch $(UPGRADE)

.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

# torch comes first and by itself: the hashes of its wheels differ from index to index, as does what it needs of CUDA.
$(VENV)/.installed: pyproject.toml $(LOCKS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX) --retries 2) -r requirements/torch.txt
	$(PIP) $(LOCKED) -r requirements/dev.txt
	$(PIP) --no-deps --no-build-isolation -e .
	$(BIN)/pip --disable-pip-version-check check
	touch $@

install: $(VENV)/.installed ## a virtual environment of what requirements/ locks; TORCH_INDEX=… takes torch from there, TORCH_INDEX= from PyPI

lock: ## requirements/ anew from pyproject.toml; UPGRADE=--upgrade takes the newest releases that it allows
	$(PYTHON) -m venv .easel/lock && .easel/lock/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	$(LOCK) -o requirements/runtime.txt pyproject.toml
	$(LOCK) -o requirements/dev.txt -c requirements/runtime.txt --extra dev pyproject.toml
	$(LOCK) -o requirements/image.txt -c requirements/dev.txt --extra store --extra traces pyproject.toml
	$(LOCK) -o requirements/bench.txt -c requirements/dev.txt --extra bench pyproject.toml

serve: install ## Redis, API, worker and page on http://127.0.0.1:8000
	$(BIN)/easel up

browser: ## Debian's chromium and Firefox, which the tests of the page run in; what drives Firefox comes from npm
	@for each in chromium firefox-esr; do command -v $$each > /dev/null || { [ "$$(id -u)" = 0 ] \
		&& command -v apt-get > /dev/null && apt-get update -qq && apt-get install -y -qq $$each; } \
		|| echo "$$each is not installed and cannot be: the tests of the page that need it will be skipped"; done
	@[ -d .easel/browser/node_modules/puppeteer-core ] || { command -v npm > /dev/null \
		&& npm install --silent --no-fund --prefix .easel/browser puppeteer-core@24.43.1; } \
		|| echo "puppeteer-core cannot be installed: the tests in Firefox will be skipped"

lighthouse: install browser ## performance and accessibility of the first view (Lighthouse, from npm), into .easel/lighthouse
	npm install --silent --no-fund --prefix .easel/lighthouse lighthouse@12.8.2
	EASEL_PORT=$(LIGHTHOUSE_PORT) EASEL_DATA_DIR=.easel/lighthouse-data $(BIN)/easel up & \
	trap 'kill -TERM %1; wait' EXIT; \
	until curl -sf localhost:$(LIGHTHOUSE_PORT)/readyz > /dev/null; do sleep 0.5; done; \
	CHROME_PATH=$$(command -v chromium) .easel/lighthouse/node_modules/.bin/lighthouse http://127.0.0.1:$(LIGHTHOUSE_PORT)/ \
		--quiet --only-categories=performance,accessibility --output=json --output=html \
		--output-path=.easel/lighthouse/first-view --chrome-flags="--headless=new --no-sandbox" && \
	$(PYTHON) -c "import json; found = json.load(open('.easel/lighthouse/first-view.report.json'))['categories']; \
		print({name: each['score'] for name, each in found.items()})"

lint: install ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## types, by basedpyright
	$(BIN)/basedpyright --pythonpath $(BIN)/python

test: lint types browser ## style, types and the whole suite, against a real redis-server and in a real browser
	$(BIN)/pytest --numprocesses 2 --dist loadfile

conform: install ## at least 2,000 generated requests against the OpenAPI document (schemathesis)
	$(PYTHON) -m venv .easel/conform && .easel/conform/bin/pip install --quiet schemathesis==4.32.5
	EASEL_PORT=$(CONFORM_PORT) EASEL_DATA_DIR=.easel/conform-data $(BIN)/easel up & \
	trap 'kill -INT %1; wait' EXIT; \
	until curl -sf localhost:$(CONFORM_PORT)/readyz > /dev/null; do sleep 0.5; done; \
	.easel/conform/bin/st run http://127.0.0.1:$(CONFORM_PORT)/openapi.json --max-examples 60 --request-timeout 70 \
		--checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance

bench: install ## Easel against the bare forward pass, LitServe and BentoML: ten minutes on an idle machine
	$(PIP) $(LOCKED) -r requirements/bench.txt
	$(PYTHON) -m venv .easel/bento
	echo $(CURDIR)/$$(echo $(VENV)/lib/python3*/site-packages) > $$(echo .easel/bento/lib/python3*/site-packages)/easel.pth
	.easel/bento/bin/pip install --quiet --disable-pip-version-check bentoml==1.4.39
	$(BIN)/python -m benchmarks.serve --bento .easel/bento/bin/python

cold: install ## from a cold worker to each model's first picture, against what has to be done for it
	$(BIN)/python -m benchmarks.cold

soak: install ## random load while processes are killed and Redis is full, and then nothing may be lost; MINUTES=60
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

generate: install ## clients by others' generators from the OpenAPI document, to see that they take it whole
	mkdir -p .easel && $(PYTHON) -m venv .easel/generate
	.easel/generate/bin/pip install --quiet --disable-pip-version-check openapi-python-client==0.29.1
	$(BIN)/python -c "import json; from app.main import create_app; print(json.dumps(create_app().openapi()))" > .easel/openapi.json
	.easel/generate/bin/openapi-python-client generate --path .easel/openapi.json --output-path .easel/generated --overwrite \
		--meta none | tee .easel/generate/log; ! grep -qi 'will not be generated' .easel/generate/log
	npx --yes --package openapi-typescript@7.13.0 --package typescript@5.9.3 sh -c \
		'openapi-typescript .easel/openapi.json -o .easel/openapi.ts && tsc --noEmit --strict --erasableSyntaxOnly --lib es2022,dom .easel/openapi.ts clients/js/*.d.ts'

onnx-web: install ## what easel export writes, in onnxruntime-web: WebAssembly, as browsers run it
	npm install --prefix .easel/onnx-web --no-audit --no-fund --silent onnxruntime-web@1.30.0
	$(BIN)/pytest tests/test_onnx_web.py

autoscale: install ## workers come and go as an autoscaler would have it, under load, and nothing may be lost
	$(BIN)/python -m benchmarks.autoscale

store: install ## pictures in an S3 server, moto's, which is installed beside Easel
	$(PYTHON) -m venv .easel/moto
	.easel/moto/bin/pip install --quiet --disable-pip-version-check 'moto[s3]==5.2.5' flask==3.1.3 flask-cors==6.0.5
	$(BIN)/pytest tests/app/test_store.py

fuzz: install ## a minute of mutated picture files: no 5xx, no hang, no memory that stays
	$(BIN)/python -m benchmarks.fuzz

memory: install ## what processes hold, over 200 switches of models and 50,000 predictions
	for what in idle switches predictions; do $(BIN)/python -m benchmarks.memory $$what || exit 1; done

train: install ## train a model: make train RECIPE=mnist-dcgan
	$(BIN)/easel train $(RECIPE)

clean: ## forget the environment and the embedded Redis's data
	rm -rf $(VENV) .easel

.PHONY: help install lock serve browser lighthouse lint types test conform bench cold soak autoscale onnx-web generate store fuzz memory train clean
