# Everything needs Python 3.11 or newer and, for the first start, a package index; all of it happens in .venv and data/.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
# Compiling ten thousand files that are never imported takes longer than everything else.
PIP_FLAGS = --disable-pip-version-check --quiet --no-compile
# Nothing is installed but what a lock names, by the hash of its file.
INSTALL = install $(PIP_FLAGS) --require-hashes -r
VENV = .venv/bin
.DEFAULT_GOAL = help

.PHONY: run test check lint types imports javascript licences audit audit-strict sbom format lock compose-test chaos bench bench-detectors bench-ui bench-upgrade
.PHONY: pictures clean help

help:
	@echo "make run           the dashboard (a demo without GITHUB_REPOS)"
	@echo "make test          all tests"
	@echo "make check         lint, types, import rules, JavaScript, licences, known vulnerabilities and tests"
	@echo "make audit-strict  known vulnerabilities; fails when a package could not be checked (weekly, in CI)"
	@echo "make sbom          what the product runs on, as CycloneDX, into sbom.json"
	@echo "make chaos         faults, kills, storms and a day of all of them, at length (some hours)"
	@echo "make bench         how fast a sync, questions and alerts are"
	@echo "make bench-detectors  false alarms and power of the detectors, on simulated pipelines (a few minutes)"
	@echo "make bench-upgrade how long an upgrade of a million runs takes, and how long others wait (some minutes)"
	@echo "make bench-ui      how long people wait for the dashboard, in a real browser"
	@echo "make pictures      the pictures of the documentation, of a demo in a real browser"
	@echo "make lock          write the locks anew, after changing requirements*.txt"
	@echo "make compose-test  build and try the containers (needs Docker)"

run: .venv/.installed
	@$(VENV)/python launch.py

test: .venv/.installed-dev
	@$(VENV)/python -m pytest

check: lint types imports javascript licences audit test

lint: .venv/.installed-dev
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .

types: .venv/.installed-dev
	@$(VENV)/mypy

imports: .venv/.installed-dev
	@$(VENV)/lint-imports

# Only a change of the JavaScript needs Node.js: the product serves the bundles that are committed.
javascript:
	@if node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)' 2>/dev/null \
		&& command -v npm >/dev/null; then \
		$(MAKE) --no-print-directory node_modules/.installed && npm run --silent check; \
	else \
		echo "JavaScript: NOT CHECKED, because Node.js 20.19 or newer with npm is not installed."; \
	fi

node_modules/.installed: package.json package-lock.json .npmrc
	@echo "Installing the tools for JavaScript …"
	@npm ci --loglevel=error --no-audit --no-fund
	@touch $@

licences: .venv/.installed-dev
	@$(VENV)/python -m deploy.supply.licences

# Fails on a known vulnerability. Where no index answers, one line says so: audit then succeeds, audit-strict fails.
AUDIT = $(MAKE) --no-print-directory .venv/.installed-audit > .venv/audit.log 2>&1; $(VENV)/python -m deploy.supply.audit
audit: .venv/.installed-dev
	@$(AUDIT)

audit-strict: .venv/.installed-dev
	@$(AUDIT) --strict

# Of an environment that holds nothing else: what is installed for the tests is not shipped.
sbom: .venv/.installed-audit
	@rm -rf .venv/runtime && $(VENV)/python -m venv --without-pip .venv/runtime
	@$(VENV)/python -m pip --python .venv/runtime/bin/python $(INSTALL) requirements.lock
	@.venv/audit/bin/python -W ignore::UserWarning -m cyclonedx_py environment --pyproject pyproject.toml --output-reproducible --of JSON \
		--output-file sbom.json .venv/runtime/bin/python
	@echo "sbom.json: what the product runs on, checked against CycloneDX's schema."

format: .venv/.installed-dev
	@$(VENV)/ruff check --fix .
	@$(VENV)/ruff format .

chaos: .venv/.installed-dev
	@CHAOS=full $(VENV)/python -m pytest tests/chaos -s -n0
	@$(VENV)/python -m tests.chaos.day
	@FILTER_EXAMPLES=200 SCHEMA_EXAMPLES=25 $(VENV)/python -m pytest tests/db/test_rows.py tests/api/test_any_filter.py tests/api/test_schema.py

bench: .venv/.installed-dev
	@$(VENV)/python -m bench.collect
	@$(VENV)/python -m bench.scale
	@$(VENV)/python -m bench.alerts

bench-detectors: .venv/.installed-dev
	@$(VENV)/python -m bench.detectors

bench-ui: .venv/.installed-dev
	@$(VENV)/python -m bench.ui
	@$(VENV)/python -m bench.sizes

bench-upgrade: .venv/.installed-dev
	@$(VENV)/python -m bench.upgrade

pictures: .venv/.installed-dev
	@$(VENV)/python -m bench.pictures

# All of requirements.txt with everything it brings along, for every platform; of that what each image installs; and
# on top of it what the tests need. The audit's environment is its own.
LOCK = $(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"
lock: .venv/.installed-dev
	@$(LOCK) requirements.txt --output-file requirements.lock
	@$(LOCK) requirements-dev.txt --constraints requirements.lock --output-file requirements-dev.lock
	@$(LOCK) requirements-audit.txt --output-file requirements-audit.lock
	@for image in collector app; do \
		$(LOCK) --group pyproject.toml:$$image --constraints requirements.lock --output-file deploy/image/$$image.lock || exit 1; \
	done

compose-test: .venv/.installed-dev
	@$(VENV)/python -m deploy.trial

clean:
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it, or name it: make run PYTHON=/path/to/python"; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not a program; name one: make run PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name one: make run PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module; install it (Debian, Ubuntu: apt-get install python3-venv), then run make again."; exit 1; }
	@echo "Making .venv …"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "The environment .venv cannot be created; see the lines above, and check the free disk space."; exit 1; }

.venv/.installed: requirements.lock .venv/bin/python
	@echo "Installing what the product runs on (half a minute, the first time) …"
	@$(VENV)/python -m deploy.supply.install requirements.lock
	@touch $@

.venv/.installed-dev: requirements-dev.lock .venv/bin/python
	@echo "Installing what the tests need …"
	@$(VENV)/python -m deploy.supply.install requirements-dev.lock
	@touch .venv/.installed $@

.venv/.installed-audit: requirements-audit.lock .venv/bin/python
	@$(VENV)/python -m venv --clear .venv/audit
	@.venv/audit/bin/python -m pip $(INSTALL) requirements-audit.lock
	@touch $@
