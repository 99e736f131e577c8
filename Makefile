# Python 3.11 or newer and make are all that `make demo` and `make test` need; the rest is set up on first use.
RECENT := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$name -c '$(RECENT)' 2>/dev/null; then echo $$name; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TRAFFIC ?= 0
MINUTES ?= 10
PYTEST_OPTIONS ?=
# More than two cores can run at once: tests of real servers mostly wait. Each worker has servers of its own. A file's
# tests stay together: they share what took seconds to set up. The order is that of tests/conftest.py.
WORKERS ?= 3
SIDE_BY_SIDE = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo translations docs pictures test test-sqlite test-postgres matrix newest check kafka bench faults soak clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

demo: $(READY) ## the site, relay, consumers and an embedded broker: http://127.0.0.1:8000 (TRAFFIC=2 simulates visitors)
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py demo $(if $(filter-out 0,$(TRAFFIC)),--traffic $(TRAFFIC))

pictures: $(READY) ## the pictures of the operator's pages in README and guides, anew; needs Chromium
	PICTURES=docs/images $(BIN)/pytest tests/browser/test_operator_looks.py -k pictures -n0 $(PYTEST_OPTIONS)

# First what needs no server, on SQLite; then what uses the database again on PostgreSQL, and the real broker with it.
test: check test-sqlite test-postgres ## the checks and every test this machine can run, on SQLite and PostgreSQL; REQUIRE_ALL=1: nothing may be missing

# Without a Kafka of its own for each of them there is room for one more.
test-sqlite: WORKERS = 4
test-sqlite: $(READY) ## units, embedded broker and browser, on SQLite
	$(BIN)/pytest tests --ignore=tests/broker -m "not faults" $(SIDE_BY_SIDE) $(PYTEST_OPTIONS)

test-postgres: $(READY) ## what uses the database, and the real broker, on PostgreSQL
	$(BIN)/python -m tests.services.postgres $(BIN)/pytest tests/unit tests/broker -m "(database or broker) and not faults" $(SIDE_BY_SIDE) $(PYTEST_OPTIONS)

matrix: $(READY) ## units and embedded broker over Django and the Pythons that are found; ONLY="--python 3.13 --django 6.1"
	$(BIN)/python -m tests.matrix $(ONLY)

newest: $(READY) ## what touches Django's API, on the newest Django and the newest Python that is found
	$(BIN)/python -m tests.matrix --newest --of-django --workers 4

check: $(READY) ## format, lint, types, missing migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

translations: $(READY) ## texts of pages in each language: brings catalogues up to date, compiles them, names what is missing
	$(BIN)/python -m tests.catalogues

docs: $(READY) ## the documentation as a site, in .site; fails on a link that leads nowhere
	$(BIN)/mkdocs build --quiet

kafka: $(READY) ## real Apache Kafka on 127.0.0.1:9092, without Docker (needs Java; Maven fetches it once)
	$(BIN)/python -m tests.services.kafka

bench: $(READY) ## benchmarks, side by side with the raw client and with peers; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks --page

faults: $(READY) ## every scenario of the fault suite
	$(BIN)/python -m tests.services.postgres $(BIN)/pytest tests/broker tests/embedded tests/unit -m "broker or faults" -q -p tests.faults.table $(SIDE_BY_SIDE) $(PYTEST_OPTIONS)

soak: $(READY) ## random faults under load for MINUTES=10, the same ones for the same SEED=…; ALARMS=1: what operators are told meanwhile
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(ALARMS),--alarms)

clean: ## removes what was set up, generated and stored
	rm -rf $(VENV) .matrix .bench .site .kafka .mypy_cache .ruff_cache .pytest_cache .hypothesis .artifacts staticfiles build dist *.egg-info
	rm -f db.sqlite3 db.sqlite3-*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.txt pyproject.toml
	@$(or $(PYTHON),false) -c '$(RECENT)' || \
		{ echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt --editable .
	@touch $@
