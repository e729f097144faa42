# Two commands from a fresh clone: `make demo` and `make test`. Both install first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
WORKSPACE ?= voxsiam-workspace
# Address of PyTorch's CPU index, for Linux machines without a GPU (README). Empty: the usual index.
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: install demo check format test test-all simulate clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) "pip==26.1"
	$(PIP) --constraint constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	$(PIP) --constraint constraints.txt --group dev --editable .
	touch $@

demo: install  ## the main job: Table III on phantoms, end to end
	$(BIN)/voxsiam demo --workspace $(WORKSPACE)

check: install  ## format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: install  ## 12 minutes on 2 cores, twice that on slow ones
	$(BIN)/pytest -m "not slow"

test-all: install  ## everything, 45 minutes on 2 cores, twice that on slow ones
	$(BIN)/pytest

simulate: install  ## the tables of docs/simulations.md: half an hour
	$(BIN)/python platform/simulations/all.py > docs/simulations.md

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
