# `make demo` and `make test` are all the set-up: python3, pip and make are enough.

PYTHON ?= python3
PYTHON39 ?= $(shell for python in python3.9 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.9*/bin/python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 9))' 2>/dev/null && echo "$$python" && break; done)
PYTEST_FLAGS ?= -n auto

BIN := .venv/bin
BIN39 := .venv39/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint types test-oldest bench bench-windows bench-features bench-doors bench-quick clean

help:
	@echo 'make demo         set up .venv, fit the flights, draw the pictures'
	@echo 'make test         set up .venv, run every test'
	@echo 'make lint         format, rules, spelling'
	@echo 'make types        mypy on the installed wheel'
	@echo 'make test-oldest  every test on Python 3.9'
	@echo 'make bench        speed against peers, full sizes: writes table and picture'
	@echo 'make bench-windows  sliding windows against peers, full sizes: prints tables, draws docs/windows_cost.png'
	@echo 'make bench-features  feature models against code by hand, full size: writes the table of docs/feature-models.md'
	@echo 'make bench-doors  speed of the doors of existing scripts: writes benchmarks/out'
	@echo 'make bench-quick  speed against peers and of the doors, small sizes'
	@echo 'make clean        remove environments, builds and caches'

demo: .venv/.with-draw
	$(BIN)/gbr-dag demo

test: .venv/.with-test
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: .venv/.with-lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell

# Type checkers cannot follow an editable install, so the wheel is unpacked and checked from its own folder.
types: .venv/.with-lint
	rm -rf build .types
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir .types .
	$(BIN)/python -m pip install --quiet --no-deps --target .types/site .types/gbr_dag-*.whl
	cd .types && MYPYPATH=site ../$(BIN)/mypy --config-file ../pyproject.toml --package gbr_dag

test-oldest: .venv39/.with-test
	$(BIN39)/python -m pytest $(PYTEST_FLAGS)

bench: .venv/.with-bench
	$(BIN)/python benchmarks/bench_peers.py --readme README.md --picture docs/peers.png

bench-windows: .venv/.with-bench
	$(BIN)/python benchmarks/bench_sliding_window.py --picture docs/windows_cost.png

bench-features: .venv/.with-bench
	$(BIN)/python benchmarks/bench_features.py --readme docs/feature-models.md

bench-doors: .venv/.with-bench
	$(BIN)/python benchmarks/bench_groupby_regression_optimized.py --full
	$(BIN)/python benchmarks/bench_groupby_regression.py
	$(BIN)/python benchmarks/bench_comparison.py --scenarios full

bench-quick: .venv/.with-bench
	$(BIN)/python benchmarks/bench_peers.py --quick
	$(BIN)/python benchmarks/bench_sliding_window.py --quick
	$(BIN)/python benchmarks/bench_features.py --quick
	$(BIN)/python benchmarks/bench_groupby_regression_optimized.py --quick
	$(BIN)/python benchmarks/bench_groupby_regression.py --quick
	$(BIN)/python benchmarks/bench_comparison.py --scenarios quick

clean:
	rm -rf .venv .venv39 .types build dist gbr_dag.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find gbr_dag nodes drivers tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Where the system's Python comes without ensurepip, its pip installs one into the environment.
$(BIN)/python:
	$(PYTHON) -m venv .venv || \
		{ $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python $@ install --quiet pip; }

$(BIN39)/python:
	@test -n '$(PYTHON39)' || { echo 'make test-oldest needs Python 3.9: neither python3.9 nor a pyenv 3.9 was found;' \
		'install one or give its path as PYTHON39=...' >&2; exit 1; }
	$(PYTHON39) -m venv .venv39

# A stamp is as old as its install; a changed pyproject.toml installs anew.
.venv/.with-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[draw,$*]'
	touch $@

.venv39/.with-%: pyproject.toml | $(BIN39)/python
	$(BIN39)/python -m pip install --quiet --disable-pip-version-check --editable '.[draw,$*]'
	touch $@
