# make demo         the main job on the weather example, from nothing
# make test         everything: lint, types, import contracts, the README's commands, and every test
# make check        lint, types and import contracts only
# make benchmark    what refreshes cost, with dg beside them: a table of ratios
# make benchmark-verify  what a truth check of an artifact costs
# make benchmark-secrets  how fast files are searched for secrets, beside reading them
# make benchmark-images  what a new image costs, beside the Dockerfile that dg scaffolds (starts an engine)
# make engine       starts a Docker engine of the checkout's own and prints its environment (Debian 12, as root)
# make engine-stop  ends it
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
VENVS := .cache/venvs
# Many tests wait for something, so two more than there are cores.
TEST_PROCESSES ?= $(shell expr $$(nproc 2>/dev/null || echo 1) + 2)
# A file is one process's, in the order of their names: the unit tests, which are short, come last and fill the gaps.
SIDE_BY_SIDE := --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
STAMP := .cache/stamps
# The oldest and the newest Python that are at hand: the unit tests run on these as well.
OTHER_PYTHONS ?= $(shell tests/tools/other-pythons)

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed: make PYTHON=…")'
	$(PYTHON) -m venv .venv

$(STAMP)/install: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@mkdir -p $(STAMP) && touch $@

$(STAMP)/dev: $(STAMP)/install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group lint --group test
	@touch $@

# An interpreter with a real Dagster, dbt and DuckDB, as a user's project has it. It is compiled here, once: tests start
# it hundreds of times, and where PYTHONDONTWRITEBYTECODE is set each start would compile Dagster anew.
$(STAMP)/dagster-%: $(STAMP)/dev tests/tools/dagster-%.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENVS)/dagster-$*
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENVS)/dagster-$*/bin/python -r tests/tools/dagster-$*.txt
	@touch $@

.PHONY: help demo check test benchmark benchmark-images benchmark-secrets benchmark-verify engine engine-stop install clean
install: $(STAMP)/install

demo: $(STAMP)/install
	$(BIN)/python examples/weather/demo.py

check: $(STAMP)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check $(STAMP)/dagster-1.12 $(STAMP)/dagster-1.13
	$(BIN)/python -m compileall -q src tests/lab tests/support
	@for python in $(OTHER_PYTHONS); do tests/tools/unit-tests-on $$python $(SIDE_BY_SIDE) || exit 1; done
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

benchmark: $(STAMP)/dagster-1.13
	$(BIN)/python benchmarks/refresh.py $(BENCHMARK_ARGS)

benchmark-verify: $(STAMP)/dev
	$(BIN)/python benchmarks/verify.py $(BENCHMARK_ARGS)

benchmark-secrets: $(STAMP)/dev
	$(BIN)/python benchmarks/secret_search.py $(BENCHMARK_ARGS)

engine:
	@tests/tools/engine start

engine-stop:
	tests/tools/engine stop

benchmark-images: $(STAMP)/dagster-1.13
	eval "$$($(BIN)/python tests/tools/engine start)" && $(BIN)/python benchmarks/images.py $(BENCHMARK_ARGS)

clean:
	[ ! -d .cache/engine ] || tests/tools/engine stop
	rm -rf .venv .cache dist
