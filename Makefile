# make demo    run the whole thing on this machine, and be told what to try
# make test    all checks and tests
# make bench   speed beside its peers
# Each installs what it needs: a virtual environment in .venv, and Debian packages where it may.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/lock.txt
DEMO_ARGS ?=
TEST_ARGS ?=

.PHONY: demo test check bench samples lock clean

demo: $(VENV)/demo
	@tools/need.sh prometheus:prometheus promtool:prometheus curl:curl
	@exec $(BIN)/chrysaetos demo $(DEMO_ARGS)

test: check
	@tools/need.sh prometheus:prometheus promtool:prometheus memcached:memcached \
	    victoria-metrics:victoria-metrics
	$(BIN)/pytest $(TEST_ARGS)

check: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev
	@tools/need.sh prometheus:prometheus promtool:prometheus haproxy:haproxy wrk:wrk
	$(BIN)/python -m bench.gateway

# The samples of configuration and policy, generated from the code. A test fails when they are not current.
samples: $(VENV)/dev
	$(BIN)/oslo-config-generator --namespace chrysaetos --output-file etc/aetos.conf.sample
	$(BIN)/oslopolicy-sample-generator --namespace chrysaetos --output-file etc/policy.yaml.sample

# The versions that CI and the demo use.
lock:
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	{ echo "# Written by make lock."; $(BIN)/pip freeze --exclude-editable; } > $(LOCK)

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
