# Two commands from a fresh clone: `make demo` and `make test`. Both install first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
WORKSPACE ?= voxsiam-workspace

.PHONY: install demo check format test test-all clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip==26.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable .
	touch $@

demo: install  ## the main job: Table III on phantoms, end to end
	$(BIN)/voxsiam demo --workspace $(WORKSPACE)

check: install  ## format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: install  ## within 12 minutes on 2 cores
	$(BIN)/pytest -m "not slow"

test-all: install  ## everything, within 45 minutes on 2 cores
	$(BIN)/pytest

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
