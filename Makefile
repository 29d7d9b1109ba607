# `make demo` shows the product, `make test` proves it; each sets up all it needs below .venv first.

PYTHON ?= python3
BIN := .venv/bin
# Works from any directory and in any locale: the tests print Chinese.
export PYTHONUTF8 := 1
# What a shell may say to other Pythons would reach ours: other modules, no assertions, other streams, another place.
unexport PYTHONHOME PYTHONPATH PYTHONOPTIMIZE PYTHONWARNINGS PYTHONDEVMODE PYTHONASYNCIODEBUG PYTHONINSPECT \
  PYTHONSTARTUP PYTHONIOENCODING PYTEST_DISABLE_PLUGIN_AUTOLOAD PIP_USER PIP_TARGET PIP_PREFIX

define STALE
from messages.schemas import files; \
stale = [str(path) for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text]; \
raise SystemExit("not what the models say, run make schemas: " + ", ".join(stale) if stale else 0)
endef

# A process a core, files of tests whole, so that what a module sets up is set up once; each has its own services.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --dist loadfile

# What kills, freezes, cuts, races, fills and repeats.
FAULTS := $(addprefix tests/jobs/test_,$(addsuffix .py,kill_matrix killed_worker storm rebalance cutover parking \
  registry_races turns duplicates failing_world full_disk clocks payout_round memory)) tests/console/test_full_disk.py

.PHONY: demo test check format schemas lock golden soak bench clean

demo: .venv/ready  ## a generated city day, cleared, reconciled and told on one screen
	$(BIN)/clearing demo

test: .venv/ready  ## every test, on real PostgreSQL and Apache Kafka; TESTS="tests/ledger -k fees" for some
	$(BIN)/pytest $(SIDE_BY_SIDE) $(TESTS)

check: .venv/ready  ## format, lint, types, who may import whom, generated schemas
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -c '$(STALE)'

format: .venv/ready  ## let the machine put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: .venv/ready  ## write the JSON Schemas and the AsyncAPI document from the models
	$(BIN)/python -m messages.schemas

golden: .venv/ready  ## rewrite the expected/ folders of fixtures/days; read the diff before you commit it
	$(BIN)/pytest --golden tests
	git diff --stat -- fixtures

soak: .venv/ready  ## the tests of kills, cuts, races, full disks and memory, larger; TESTS=tests for all tests so
	@echo "soak: each test that repeats goes on for $${CLEARING_SOAK_SECONDS:-600} s (CLEARING_SOAK_SECONDS); the last lines say"
	@echo "      what was done. CLEARING_TEST_SEED repeats a run that failed."
	CLEARING_SOAK=1 $(BIN)/pytest --hypothesis-profile=soak $(or $(TESTS),$(FAULTS))

bench: .venv/ready  ## the README's measurements, on this machine
	$(BIN)/clearing bench

# No index and no local wheel may get into the lock: it holds names, versions and the registry's hashes only.
lock: .venv/ready  ## choose the newest versions pyproject.toml allows; commit the result
	UV_FIND_LINKS= $(BIN)/uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 \
	  --upgrade --generate-hashes --no-config --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	  --quiet --output-file requirements.lock

clean:  ## remove what was built; data in .clearing stays
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "Python's venv is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
