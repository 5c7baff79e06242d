PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/ready

.PHONY: help demo test lint format bench schema clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(READY)  ## set everything up, teach the bundled model to colorize, and draw what it learned
	$(BIN)/onepic-compile recipes/colorization.yaml --output data/demo --source scenes \
		--set source.size=128 --panel-size 128x128
	$(BIN)/onepic-train data/demo --output runs/demo --config miniature/demo.yaml --pictures 4 --resume
	$(BIN)/python -m onepic.miniature.demo runs/demo

# Workers and their encoders have more threads than there are cores: those that wait should sleep.
test: $(READY)  ## set everything up and run the tests
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/pytest --numprocesses auto --dist loadfile

lint: $(READY)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p $(VENV)/typing/onepic
	for part in backbones canvas common compiler dataset miniature recipes sampler tables \
		trainer; do \
		ln -sfn $(CURDIR)/$$part $(VENV)/typing/onepic/$$part; done
	cd $(VENV)/typing && MYPYPATH=. ../bin/mypy --config-file $(CURDIR)/pyproject.toml

format: $(READY)  ## rewrite files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## measure the hot paths
	$(BIN)/python benchmarks/compile.py
	$(BIN)/python benchmarks/plan.py
	$(BIN)/python benchmarks/loader.py
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/sample.py
	$(BIN)/python benchmarks/learning.py
	$(BIN)/python benchmarks/controlnet.py

schema: $(READY)  ## write the JSON Schema of recipes anew
	$(BIN)/onepic-compile --schema > recipes/recipe.schema.json

clean:  ## remove what the tools cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build
