# make table   installs the environment if needed, then makes results/table.csv and its inputs
# make test    installs the environment if needed, then runs the fast tests
# make test-slow  runs the other tests: the whole workflow, many scenes, real scenes
# make lint    checks style, types, import layers, workflow and schema
# make networks  copies the checkpoints of configs/pretrained/ into the package, and their cards into the docs
# make lock    updates envs/requirements.lock from pyproject.toml (needs uv)

PYTHON ?= python3
# The rules call lstsr by name.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
BIN := .venv/bin
PIP := $(BIN)/python -m pip
# Tests of one file share their fixtures, so one process runs them all.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

PRETRAINED ?= results/pretrained
NETWORKS := src/lstsr/networks
SHIPPED := modis-aster-x4 modis-aster-x8 sample-x4 sample-x8

.PHONY: table test test-slow lint lock networks environment

table: .venv/.stamp
	$(BIN)/snakemake --cores all results/table.csv all

test: .venv/.stamp
	$(PYTEST) -m "not slow and not real"

test-slow: .venv/.stamp
	$(PYTEST) -m "slow or real"

lint: .venv/.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/lstsr schema --check
	$(BIN)/snakemake --lint

# The network NAME-xSCALE comes from the run NAME, which has one row of that scale.
networks: .venv/.stamp
	mkdir -p $(NETWORKS)
	for name in $(SHIPPED); do \
	  $(BIN)/lstsr compact $(PRETRAINED)/$${name%-x*}/models/*-$${name##*-}-*.safetensors \
	    --output $(NETWORKS)/$$name.safetensors || exit 1; \
	done
	sed -i '/^## Cards$$/q' docs/pretrained.md
	(echo; echo '```'; $(BIN)/lstsr models; echo; $(BIN)/lstsr models $(SHIPPED); echo '```') \
	  >> docs/pretrained.md

environment: .venv/.stamp

# The lock pins every dependency except torch, including torch's own, so pip has nothing to choose.
.venv/.stamp: envs/requirements.lock envs/torch.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "lstsr needs Python 3.11 or newer, but '$(PYTHON)' is" \
	    "$$($(PYTHON) --version 2>&1): name another, e.g. make table PYTHON=python3.12" >&2; \
	  exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install --require-hashes --no-deps -r envs/requirements.lock
	$(PIP) install -r envs/torch.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

lock:
	uv pip compile pyproject.toml --extra workflow --group dev --constraint envs/torch.txt \
	  --python-version 3.11 --universal --fork-strategy fewest --generate-hashes \
	  --no-emit-package torch --custom-compile-command "make lock" \
	  --output-file envs/requirements.lock
