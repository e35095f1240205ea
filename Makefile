# Each target installs what it needs into .venv, once; a change of pyproject.toml or constraints.txt installs again.
# All paths are relative, so the folder of the checkout may have spaces in its name.

SEED ?= 0
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --quiet --disable-pip-version-check
CORE := $(VENV)/.installed-core
DEV := $(VENV)/.installed-dev
CORPUS := $(VENV)/.installed-corpus
OLD_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# The first Python that is new enough; `make demo PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	if $$python -c '$(OLD_ENOUGH)' 2>/dev/null; then echo $$python; break; fi; done)

.PHONY: help demo demo-corpus test test-fast test-slow attacks soak check bench clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(CORE) ## train the toy R1-Zero recipe into a new folder under runs/ (SEED=0)
	$(RUN) -m reasonforge run recipes/toy/r1_zero.toml --seed $(SEED) --out "runs/demo-$$(date +%Y%m%d-%H%M%S)" $(ARGS)

demo-corpus: $(CORPUS) ## mine a synthetic web in four rounds, and write a report page, under corpus/ (SEED=0)
	@test ! -e corpus/web/summary.json || grep -q '"seed": $(SEED),' corpus/web/summary.json || \
		{ echo "error: corpus/web is the web of another seed. Remove corpus/web and corpus/toy, then try again" >&2; exit 2; }
	@test -e corpus/web/summary.json || $(RUN) -m reasonforge corpus synthesise --out corpus/web --pages 2000 --seed $(SEED)
	$(RUN) -m reasonforge corpus run recipes/toy/corpus.toml --out corpus/toy $(ARGS)
	@$(RUN) -m reasonforge corpus status corpus/toy
	@echo "next: open corpus/toy/report.html in a browser"

test: $(DEV) ## run the tests: minutes (ARGS="-k name" for some)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 $(ARGS)

test-fast: $(DEV) ## run most of them: no corpus, no attacks, no whole data sets, no browser
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 -m "not slow and not gpu and not thorough" $(ARGS)

test-slow: $(DEV) ## run the tests that train until something is learned
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 -m slow $(ARGS)

attacks: $(DEV) ## run the attacks on the sandbox and print what each came to
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 tests/sandbox/test_attacks*.py tests/sandbox/test_forgery.py tests/sandbox/test_soak.py --attack-table $(ARGS)

soak: $(DEV) ## run 10,000 hostile programs per sandbox and look for what grows
	OMP_NUM_THREADS=1 $(RUN) -m tests.sandbox.soak $(ARGS)

check: $(DEV) ## check style, types and the order of the floors
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pyright
	$(RUN) -c 'import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())'

bench: $(DEV) ## run the benchmarks against the peers
	@for benchmark in benchmarks/bench_*.py; do echo "$$benchmark"; $(RUN) "$$benchmark" $(ARGS) || exit 1; done

clean: ## remove caches and build folders; runs/ and .venv stay
	rm -rf build dist src/*.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# PyTorch goes first, by its pin: no dependency can then bring another version of it.
$(CORE): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found. Install one, or name it: make demo PYTHON=/path/to/python3.12" >&2; exit 69; }
	@"$(PYTHON)" -c '$(OLD_ENOUGH)' 2>/dev/null || { echo "error: $(PYTHON) does not run or is older than Python 3.11. Name another: make demo PYTHON=/path/to/python3.12" >&2; exit 69; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv" >&2; exit 69; }
	@$(RUN) -c 'import pip; $(OLD_ENOUGH)' 2>/dev/null || "$(PYTHON)" -m venv --clear $(VENV)
	@echo "installing PyTorch and reasonforge into $(VENV), once (some minutes)"
	@$(PIP) install --upgrade pip
	@$(PIP) install -c constraints.txt torch
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(CORPUS): $(CORE)
	@echo "installing what the corpus needs into $(VENV), once"
	@$(PIP) install -c constraints.txt -e '.[corpus]'
	@touch $@

$(DEV): $(CORE)
	@echo "installing the development tools into $(VENV), once"
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@
