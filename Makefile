# demo and test are all that a newcomer needs; the rest is for those who change the code.
PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# Everything that the tests use.
EXTRAS := --extra encryption --extra models --extra otel --extra plots --extra profile --extra service --extra test
# What an image that serves holds.
SERVED := --extra encryption --extra models --extra otel --extra service
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate

.DELETE_ON_ERROR:
.PHONY: demo test gate readme lint test-all format lock clean

demo: $(VENV)/run.stamp
	$(BIN)/satchel compare knapsack --out reports/demo

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest

# A fast slice against its baseline. After a wanted change: copy the newest file of reports/history over the baseline.
gate: $(VENV)/run.stamp
	$(BIN)/satchel compare conflicts --seeds 5 --store memory:// --out reports/gate --history reports/history \
		--baseline tests/evals/baseline.json --fail-if "success_drop > 0.02 or usd_increase > 0.05"

# The README's table, from the command that it names.
readme: $(VENV)/run.stamp
	$(BIN)/satchel compare knapsack --store memory:// --out reports/demo
	$(BIN)/satchel report reports/demo --into README.md

lint: $(VENV)/lint.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=tests/typing_root $(BIN)/lint-imports

test-all: $(VENV)/test.stamp
	$(BIN)/python -m pytest -m debian

format: $(VENV)/lint.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The largest lock first; the smaller ones are held to its versions.
lock:
	$(COMPILE) --upgrade --group build $(EXTRAS) --extra lint pyproject.toml -o requirements/lint.txt
	$(COMPILE) --group build $(EXTRAS) -c requirements/lint.txt pyproject.toml -o requirements/test.txt
	$(COMPILE) --group build $(SERVED) -c requirements/lint.txt pyproject.toml -o requirements/serve.txt
	$(COMPILE) --group build -c requirements/lint.txt pyproject.toml -o requirements/run.txt

clean:
	rm -rf $(VENV) build dist reports *.egg-info .mypy_cache .ruff_cache .hypothesis

$(VENV)/%.stamp: requirements/%.txt pyproject.toml | $(BIN)/pip
	$(PIP) install --require-hashes -r $<
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Satchel needs Python 3.11 or newer; name one with make PYTHON=...") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
