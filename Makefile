# massgap: `make demo` and `make test` need Python 3.11 to 3.13, git and make, and nothing else.
#
# The environment lives in .venv.  Its stamps depend on pyproject.toml and constraints.txt: a change there installs
# again, an interrupted installation goes on, and a second call does nothing.

.DEFAULT_GOAL := help
.SUFFIXES:

# What may be set on the command line, for instance: make demo EVENTS=200k PYTHON=/opt/python3.12/bin/python3
PYTHON ?=
EXECUTOR ?= futures
WORKERS ?= 2
OUT ?= demo
EVENTS ?=
# Tested versions; CONSTRAINTS= (empty) takes the newest ones that pyproject.toml allows.
CONSTRAINTS ?= constraints.txt
# Processes that share the tests (one more than two cores have work for: many tests wait for clusters, jobs and other processes), and arguments for pytest.
TEST_WORKERS ?= 3
TESTS ?=
# Folder of the benchmarks, and which of them.
BENCH ?= bench
SUBJECTS ?=

VENV := .venv
RUN := $(VENV)/bin/python
# A PYTHON that is named has its own stamps, so that another version makes a new environment.
NAMED := $(if $(PYTHON),-$(shell "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null))
# An environment whose Python has gone is out of date whatever its stamps say.
GONE := $(if $(wildcard $(VENV)),$(shell $(RUN) -c '' >/dev/null 2>&1 || echo always))
INPUTS := pyproject.toml $(wildcard $(CONSTRAINTS)) $(GONE)
PIP := $(RUN) -m pip --disable-pip-version-check --no-input install $(if $(CONSTRAINTS),-c "$(CONSTRAINTS)")

.PHONY: help demo test bench measured docs lint dev clean clean-all always

help: ## Show this list
	@echo "make demo       the slepton analysis from nothing to an HTML report"
	@echo "                (OUT=folder EVENTS=100k EXECUTOR=iterative|futures|dask WORKERS=2)"
	@echo "make test       the tests (TESTS='tests/fits -x' for some of them, TEST_WORKERS=3)"
	@echo "make bench      the benchmarks, about 15 minutes (BENCH=folder SUBJECTS='mt2 slepton', all by default)"
	@echo "make measured   the benchmarks again for the table of docs/performance.md, on a quiet machine"
	@echo "make docs       the site of the documentation, in docs/_build/html"
	@echo "make lint       style, types, and the arrows between the rooms"
	@echo "make dev        an environment with everything a contributor needs"
	@echo "make clean      remove what was built; make clean-all also the environment"
	@echo "Each makes the environment $(VENV) first; PYTHON=/path/to/python3 names the Python to use."

demo: $(VENV)/.demo$(NAMED)
	$(RUN) -m massgap demo --out "$(OUT)" --executor "$(EXECUTOR)" --workers $(WORKERS) $(if $(EVENTS),--events $(EVENTS))

test: $(VENV)/.test$(NAMED)
	$(RUN) -m pytest $(if $(filter-out 0 1,$(TEST_WORKERS)),-n $(TEST_WORKERS) --dist loadfile) $(TESTS)

bench: $(VENV)/.test$(NAMED)
	$(RUN) -m benchmarks --out "$(BENCH)" $(SUBJECTS)
	$(RUN) -m massgap report benchmarks "$(BENCH)/benchmarks.json"

measured: $(VENV)/.test$(NAMED)
	$(RUN) -m benchmarks --out "$(BENCH)" --into benchmarks/measured.json $(SUBJECTS)
	$(RUN) -m massgap report benchmarks benchmarks/measured.json --table docs/performance.md

docs: $(VENV)/.test$(NAMED)
	$(RUN) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

lint: $(VENV)/.dev$(NAMED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

dev: $(VENV)/.dev$(NAMED)

$(VENV)/.demo$(NAMED): $(INPUTS)
	@sh .ci/make-venv $(VENV) "$(PYTHON)"
	@echo "Installing massgap and its dependencies into $(VENV): some minutes the first time"
	$(PIP) --editable '.[dask,generator,htcondor,train-cpu,zstd]'
	@touch $(VENV)/.demo $@

$(VENV)/.test$(NAMED): $(INPUTS)
	@sh .ci/make-venv $(VENV) "$(PYTHON)"
	@echo "Installing massgap, its dependencies and what the tests need into $(VENV): some minutes the first time"
	$(PIP) --editable '.[test]'
	@touch $(VENV)/.demo $(VENV)/.test $@

$(VENV)/.dev$(NAMED): $(INPUTS)
	@sh .ci/make-venv $(VENV) "$(PYTHON)"
	@echo "Installing massgap, its dependencies and the tools of a contributor into $(VENV): some minutes the first time"
	$(PIP) --editable '.[dev]'
	@touch $(VENV)/.demo $(VENV)/.test $(VENV)/.dev $@

clean:
	rm -rf build dist docs/_build docs/generated massgap.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .nox .coverage

clean-all: clean
	rm -rf $(VENV)
