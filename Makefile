# make demo    run the whole thing on this machine, and be told what to try
# make test    all checks and tests
# make docs    the documentation as a site and as man pages, in build/docs
# make bench   speed beside its peers
# Each installs what it needs: a virtual environment in .venv, and Debian packages where it may.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/lock.txt
DEMO_ARGS ?=
TEST_ARGS ?=
CLOUDKITTY := 25 24
WATCHER := 17 15

.PHONY: demo test check docs bench bench-cloudkitty bench-watcher samples lock clean cloudkitty watcher

demo: $(VENV)/demo
	@tools/need.sh prometheus:prometheus promtool:prometheus curl:curl
	@exec $(BIN)/chrysaetos demo $(DEMO_ARGS)

test: check cloudkitty watcher
	@tools/need.sh prometheus:prometheus promtool:prometheus memcached:memcached \
	    victoria-metrics:victoria-metrics haproxy:haproxy curl:curl
	$(BIN)/pytest $(TEST_ARGS)

check: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/docs
	$(BIN)/sphinx-build -q -W --keep-going -b html -d build/docs/doctrees docs build/docs/html
	$(BIN)/sphinx-build -q -W --keep-going -b man -d build/docs/doctrees docs build/docs/man
	@echo "build/docs/html/index.html, and man pages in build/docs/man"

# What belongs to CloudKitty is tested where CloudKitty is: in a virtual environment for each release.
cloudkitty: $(CLOUDKITTY:%=.venvs/cloudkitty-%/made)
	for release in $(CLOUDKITTY); do .venvs/cloudkitty-$$release/bin/python -m pytest tests/cloudkitty || exit; done

.venvs/cloudkitty-%/made: requirements/cloudkitty-%.txt addons/cloudkitty-aetos/pyproject.toml pyproject.toml | $(VENV)/pip
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps ./addons/cloudkitty-aetos --editable .
	@touch $@

# The same for Watcher. The end-to-end tests run the decision engines of these environments.
watcher: $(WATCHER:%=.venvs/watcher-%/made)
	@tools/need.sh prometheus:prometheus promtool:prometheus
	for release in $(WATCHER); do .venvs/watcher-$$release/bin/python -m pytest tests/watcher || exit; done

.venvs/watcher-%/made: requirements/watcher-%.txt pyproject.toml | $(VENV)/pip
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $< --editable '.[watcher]'
	$(@D)/bin/python -c 'import watcher'
	@touch $@

bench: $(VENV)/dev
	@tools/need.sh prometheus:prometheus promtool:prometheus haproxy:haproxy wrk:wrk
	$(BIN)/python -m bench.gateway

bench-cloudkitty: $(VENV)/dev .venvs/cloudkitty-25/made
	@tools/need.sh prometheus:prometheus promtool:prometheus
	$(BIN)/python -m bench.cloudkitty

bench-watcher: .venvs/watcher-17/made
	@tools/need.sh prometheus:prometheus promtool:prometheus
	.venvs/watcher-17/bin/python -W ignore -m bench.watcher

# The samples of configuration and policy, generated from the code. A test fails when they are not current.
samples: $(VENV)/dev
	$(BIN)/oslo-config-generator --namespace chrysaetos --output-file etc/aetos.conf.sample
	$(BIN)/oslopolicy-sample-generator --namespace chrysaetos --output-file etc/policy.yaml.sample

# The versions that CI and the demo use.
lock:
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	{ echo "# Written by make lock."; $(BIN)/pip freeze --exclude-editable; } > $(LOCK)

lock-cloudkitty-%:
	$(PYTHON) -m venv --clear .venvs/cloudkitty-$*
	.venvs/cloudkitty-$*/bin/pip install --quiet 'cloudkitty==$*.0.*' oslotest testscenarios \
	    pytest pytest-asyncio pytest-timeout
	{ echo "# Written by make $@."; .venvs/cloudkitty-$*/bin/pip freeze; } > requirements/cloudkitty-$*.txt

lock-watcher-%:
	$(PYTHON) -m venv --clear .venvs/watcher-$*
	.venvs/watcher-$*/bin/pip install --quiet 'python-watcher==$*.0.0' 'SQLAlchemy<2.1' oslotest testscenarios werkzeug \
	    pytest pytest-asyncio pytest-timeout
	{ echo "# Written by make $@."; .venvs/watcher-$*/bin/pip freeze; } > requirements/watcher-$*.txt

clean:
	rm -rf $(VENV) build dist src/*.egg-info

$(VENV)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; set PYTHON=...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/need.sh no-ensurepip:python3-venv
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/%: $(VENV)/pip pyproject.toml $(LOCK)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint $(LOCK) --editable '.[$*]'
	@touch $@
