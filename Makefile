# Two commands from a fresh clone: `make demo` and `make test`. Both install first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
WORKSPACE ?= voxsiam-workspace
# Address of PyTorch's CPU index, for Linux machines without a GPU (README). Empty: the usual index.
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: install demo check format test test-all simulate mutate lock clean

install: $(VENV)/.installed

# Every package by its hash, but torch, whose files differ from index to index; it comes with voxsiam.
REQUIREMENTS := $(addprefix requirements/,product.txt build.txt development.txt)
$(VENV)/.installed: pyproject.toml $(REQUIREMENTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --no-deps $(addprefix --requirement ,$(REQUIREMENTS))
	$(PIP) --no-build-isolation $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --editable .
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

test: install  ## up to 45 minutes on 2 cores
	$(BIN)/pytest -m "not slow"

test-all: install  ## everything, about 90 minutes on 2 cores
	$(BIN)/pytest

simulate: install  ## the tables of docs/simulations.md: half an hour
	$(BIN)/python platform/simulations/all.py > docs/simulations.md

mutate: install  ## breaks the code in 159 ways, each of which a test must see
	$(BIN)/python -m tests.breaks.run

LOCK_TOOLS := $(VENV)/lock/bin
LOCK := $(LOCK_TOOLS)/uv pip compile --quiet --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-package torch $(UPGRADE) \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX) --index-strategy unsafe-best-match)
# Each package stands in one file: later ones leave out what the earlier ones name.
without = $(addprefix --constraint requirements/,$(1)) \
	$$(cd requirements && sed -n 's/^\([a-z0-9.-]*\)==.*/--no-emit-package \1/p' $(1))

lock:  ## writes `requirements` anew (UPGRADE=--upgrade: the newest that pyproject.toml allows)
	$(PYTHON) -m venv $(VENV)/lock
	$(LOCK_TOOLS)/pip install --quiet "uv==0.13.9" "cyclonedx-bom==7.5.0"
	$(LOCK) --extra server --extra s3 --output-file requirements/product.txt pyproject.toml
	$(LOCK) --group build --output-file requirements/build.txt \
		$(call without,product.txt) pyproject.toml
	$(LOCK) --extra server --extra s3 --group dev --output-file requirements/development.txt \
		$(call without,product.txt build.txt) pyproject.toml
	$(LOCK) --extra umap --output-file requirements/umap.txt \
		$(call without,product.txt) pyproject.toml
	# The list of parts that the wheel carries (SBOM, CycloneDX).
	(sed -n 's/^\([a-z0-9.-]*==[^ ]*\).*/\1/p' requirements/product.txt; \
		sed -n 's/^ *"\(torch==[0-9.]*\)",/\1/p' pyproject.toml) | \
		$(LOCK_TOOLS)/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml \
		--output-file requirements/voxsiam.cdx.json -

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
