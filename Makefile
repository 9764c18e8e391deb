# What a person needs: `make lab`, `make demo`, `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLD := .venv-1.x
OLDEST := .venv-oldest
PIP_FLAGS := --quiet --disable-pip-version-check
TESTS ?= tests
MINUTES ?= 60

.DEFAULT_GOAL := help
.PHONY: help lab demo test ready packages lint types pictures bench fuzz soak clean

help:  ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# an environment is made again when what it is made from has changed
$(VENV)/.lab: pyproject.toml
	@echo "Making the environment in $(VENV) (once, some minutes) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=/path/to/python $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install $(PIP_FLAGS) -e '.[lab]'
	@touch $@

$(VENV)/.tests: $(VENV)/.lab
	@echo "Adding what the tests need ..."
	@$(BIN)/pip install $(PIP_FLAGS) -e '.[lab,tests]'
	@touch $@

$(OLD)/.made:
	@echo "Making an environment for 1.x, which ours is compared with ..."
	@$(PYTHON) -m venv $(OLD)
	@$(OLD)/bin/pip install $(PIP_FLAGS) msl-network==1.0.0
	@touch $@

$(OLDEST)/.made: pyproject.toml
	@echo "Making an environment with the oldest ipykernel that is supported ..."
	@$(PYTHON) -m venv $(OLDEST)
	@$(OLDEST)/bin/pip install $(PIP_FLAGS) -e . numpy \
		"$$(sed -nE 's/.*"(ipykernel)>=([0-9.]+).*/\1==\2/p' pyproject.toml)"
	@touch $@

lab: $(VENV)/.lab  ## open JupyterLab on the tutorial
	$(BIN)/jupyter lab $$(test "$$(id -u)" -ne 0 || echo --allow-root) notebooks/01-first-steps.ipynb

demo: $(VENV)/.lab  ## the same way through without a browser
	@$(BIN)/python -m msl_network.examples.demo notebooks/01-first-steps.ipynb

test: ready  ## run every test
	@$(BIN)/python -m pytest -n $${PYTEST_WORKERS:-2} --dist worksteal $(TESTS)

ready: $(VENV)/.tests $(OLD)/.made $(OLDEST)/.made packages lint types

packages:
	@tests/system-packages

lint: $(VENV)/.tests  ## check the style
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . || \
		{ echo "ruff is not content: see 'ruff check' and 'ruff format'"; exit 1; }

types: $(VENV)/.tests  ## check the types, on each system
	@for system in linux darwin win32; do $(BIN)/mypy --platform $$system || exit 1; done

pictures: $(VENV)/.tests packages  ## make the pictures in the docs anew
	@PICTURES=1 $(BIN)/python -m pytest --quiet tests/browser/test_pictures.py

bench: $(VENV)/.lab $(OLD)/.made  ## measure the speed beside that of 1.x
	@$(BIN)/python -m tests.benchmarks

fuzz: $(VENV)/.tests  ## look for messages that break something
	@$(BIN)/python -m tests.fuzz --plain --runs 200000
	@$(BIN)/python -m tests.fuzz --seconds 60

soak: $(VENV)/.tests  ## load and restarts for an hour (MINUTES=2 for less)
	@$(BIN)/python -m tests.soak --minutes $(MINUTES)

clean:  ## remove the environments
	rm -rf $(VENV) $(OLD) $(OLDEST)
