# make demo       run everything on this machine; prints commands to try
# make check      lint, types and unit tests
# make test       everything that CI runs
# make test-deep  long tests of isolation with every engine, all variants of other tests, and deb-check; run before a release
# make isolation  the isolation tests of test-deep only; prints how many queries they compared
# make docs       the documentation as a site and as man pages, in build/docs
# make bench      speed compared with its peers
# make deb        the Debian package, in build/deb; make deb-check installs, upgrades and removes it
# make dist       the wheels and the source distribution, in dist
# make soak       30 minutes of load with faults; SOAK_MINUTES sets another duration
# make web        build the web page of src/chrysaetos/web/static from web/; needs Node 20
# make web-check  check and test web/, and compare its build with the committed files
# make web-images the pictures of the web page in docs/images
# Each installs what it needs: a virtual environment in .venv and, if permitted, Debian packages.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/lock.txt
DEMO_ARGS ?=
TEST_ARGS ?=
SOAK_MINUTES ?= 30
# The releases that make test runs; make test-deep runs all that are in requirements/.
CLOUDKITTY := 25
WATCHER := 17 15
AODH := 23
ALL_CLOUDKITTY := $(patsubst requirements/cloudkitty-%.txt,%,$(wildcard requirements/cloudkitty-*.txt))
ALL_WATCHER := $(patsubst requirements/watcher-%.txt,%,$(wildcard requirements/watcher-*.txt))
RELEASES = $(CLOUDKITTY:%=cloudkitty-%) $(WATCHER:%=watcher-%) $(AODH:%=aodh-%)
# Else each process of the tests compiles all modules, and pytest rewrites the assertions of all tests.
unexport PYTHONDONTWRITEBYTECODE
export CHRYSAETOS_CLOUDKITTY := $(CLOUDKITTY)
export CHRYSAETOS_WATCHER := $(WATCHER)
SERVERS := prometheus:prometheus promtool:prometheus memcached:memcached victoria-metrics:victoria-metrics \
    haproxy:haproxy nginx:nginx-light curl:curl shellcheck:shellcheck chromium:chromium
# The programs alone, without a service. On a machine with MySQL, they cannot be installed.
MARIADB := mariadbd:mariadb-server-core my_print_defaults:mariadb-client-core
# The tests that run on every Python of the machine.
PURE := $(wildcard $(addprefix tests/,promql tenancy identity access http/test_direct_task.py http/server property))

# The proof of isolation, and how deep it goes before a release.
ISOLATION := $(addprefix tests/e2e/test_,$(addsuffix .py,generated corpora isolation otlp victoria_metrics thanos mimir second_enforcer)) \
    tests/property/test_go_parsers.py
DEEP := CHRYSAETOS_E2E_QUERIES=5000 CHRYSAETOS_REALWORLD=2500 CHRYSAETOS_WAYS=4 CHRYSAETOS_PARSER_TEXTS=1000000 CHRYSAETOS_ENGINES=all

# The tests that start servers, run promtool, mutate or fuzz; and all others, which take seconds.
LONG := tests/test_server_mutations.py tests/test_docs.py \
    $(addprefix tests/,e2e packages property demo federation faults watcher cloudkitty aodh support)
UNIT := $(filter-out $(LONG) tests/fakes,$(patsubst %/,%,$(wildcard tests/*/)) $(wildcard tests/test_*.py))
# A set of servers for each worker; the tests of a file share it. More workers than cores, since tests mostly wait.
PYTEST = $(BIN)/pytest --numprocesses $(shell expr $$(nproc) + 1) --dist loadfile
SIDE_BY_SIDE := --jobs $(shell nproc) --output-sync

# A virtual environment is recreated if the interpreter changes.
MADE_BY := $(shell $(PYTHON) -c 'import re, sys; \
    print("made-by", *re.findall(r"\w+", sys.base_prefix), *sys.version_info[:3], sep="-")')

.PHONY: demo test test-deep isolation check lint docs bench bench-fairness soak bench-cloudkitty bench-watcher web web-check web-check-with-node web-images samples dist deb deb-check deb-check-as-root lock clean cloudkitty watcher aodh pythons tests unit

demo: $(VENV)/demo
	@tools/need.sh prometheus:prometheus promtool:prometheus curl:curl
	@exec $(BIN)/chrysaetos demo $(DEMO_ARGS)

# All parts run, even if one of them has failed. pytest's summary is the last line.
test: $(VENV)/dev $(RELEASES:%=.venvs/%/made)
	@tools/need.sh $(SERVERS)
	@# Without these, the tests that need them are skipped, with the reason.
	@-tools/need.sh $(MARIADB)
	@-tools/engines.py build prometheus3 go_parsers compose_spec
	@mkdir -p build
	@failed=0; \
	$(MAKE) $(SIDE_BY_SIDE) --no-print-directory --keep-going PYTHONS=--others \
	    tests lint pythons web-check-with-node $(RELEASES:%=test-%) 9>&1 || failed=1; \
	$(BIN)/python tools/pythons.py --this build/tests.log; tail -n 1 build/tests.log; exit $$failed

# Long files start first, so that no worker has one left at the end. On 9 make does not hold the output back until then.
tests: $(VENV)/dev
	@mkdir -p build; true >&9 2>/dev/null || exec 9>&1; \
	    bash -o pipefail -c '"$$@" | tee build/tests.log >&9' - $(PYTEST) --no-loadscope-reorder $(TEST_ARGS) $(LONG) $(UNIT)

test-deep: export CHRYSAETOS_CLOUDKITTY := $(ALL_CLOUDKITTY)
test-deep: export CHRYSAETOS_WATCHER := $(ALL_WATCHER)
test-deep: $(VENV)/dev pythons $(ALL_CLOUDKITTY:%=test-cloudkitty-%) $(ALL_WATCHER:%=test-watcher-%) $(AODH:%=test-aodh-%) deb-check-as-root
	@tools/need.sh $(SERVERS)
	@-tools/need.sh $(MARIADB)
	tools/engines.py build prometheus3 go_parsers victoriametrics thanos mimir compose_spec
	$(DEEP) CHRYSAETOS_EXAMPLES=2000 CHRYSAETOS_FUZZ_SECONDS=60 CHRYSAETOS_KILLS=50 \
	    $(PYTEST) --timeout=3600 -m '' $(TEST_ARGS) tests/property tests/e2e tests/packages
	PATH="$$(dirname $$(tools/engines.py path prometheus3)):$$PATH" \
	    $(PYTEST) --timeout=3600 -m '' $(TEST_ARGS) tests/e2e

isolation: $(VENV)/dev
	@tools/need.sh $(SERVERS)
	tools/engines.py build prometheus3 go_parsers victoriametrics thanos mimir
	$(DEEP) $(PYTEST) --timeout=3600 $(TEST_ARGS) $(ISOLATION)

check: $(VENV)/dev
	@$(MAKE) $(SIDE_BY_SIDE) lint unit

unit: $(VENV)/dev
	$(PYTEST) --quiet $(UNIT)

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Beside the tests on this Python, generated texts show only what differs on the others: a third of them is enough.
pythons: $(VENV)/dev
	$(if $(PYTHONS),CHRYSAETOS_EXAMPLES=50 CHRYSAETOS_FEDERATION_EXAMPLES=150) CHRYSAETOS_FUZZ_SECONDS=$(if $(PYTHONS),1,2) $(BIN)/python tools/pythons.py $(PYTHONS) $(PURE) --ignore=tests/property/test_mutations.py

docs: $(VENV)/docs
	$(BIN)/sphinx-build -q -W --keep-going -b html -d build/docs/doctrees docs build/docs/html
	$(BIN)/sphinx-build -q -W --keep-going -b man -d build/docs/doctrees docs build/docs/man
	@echo "build/docs/html/index.html, and man pages in build/docs/man"

# The same files from the same source: without the times, owners and modes of this machine.
dist: $(VENV)/dev
	$(BIN)/hatchling build --clean
	cd addons/cloudkitty-aetos && $(abspath $(BIN))/hatchling build --target wheel --directory $(abspath dist)

# Built from the source distribution, so that the checkout stays clean.
deb: dist
	@tools/need.sh dpkg-buildpackage:dpkg-dev dh:debhelper
	rm -rf build/deb
	mkdir -p build/deb
	tar --extract --file dist/chrysaetos-*.tar.gz --directory build/deb
	cd build/deb/chrysaetos-* && dpkg-buildpackage -us -uc -b

# Minutes, so only make test-deep does it.
deb-check: deb
	@tools/need.sh debootstrap:debootstrap
	tools/debian-check.sh build/deb/chrysaetos_*.deb

deb-check-as-root:
	@if [ "$$(id -u)" = 0 ] && tools/need.sh debootstrap:debootstrap dpkg-buildpackage:dpkg-dev dh:debhelper; \
	    then $(MAKE) deb-check; else echo "deb-check is skipped: it needs root, debootstrap and dpkg-buildpackage"; fi

# The plugins of CloudKitty are tested in a virtual environment for each release of CloudKitty.
cloudkitty: $(CLOUDKITTY:%=test-cloudkitty-%)

test-cloudkitty-%: .venvs/cloudkitty-%/made
	.venvs/cloudkitty-$*/bin/python -m pytest --quiet tests/cloudkitty

.venvs/cloudkitty-%/made: .venvs/cloudkitty-%/$(MADE_BY) requirements/cloudkitty-%.txt \
    addons/cloudkitty-aetos/pyproject.toml pyproject.toml
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement requirements/cloudkitty-$*.txt
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps ./addons/cloudkitty-aetos --editable .
	@touch $@

# The same for Watcher. The end-to-end tests run the decision engines of these environments.
watcher: $(WATCHER:%=test-watcher-%)

test-watcher-%: .venvs/watcher-%/made
	@tools/need.sh prometheus:prometheus promtool:prometheus
	.venvs/watcher-$*/bin/python -m pytest --quiet tests/watcher

.venvs/watcher-%/made: .venvs/watcher-%/$(MADE_BY) requirements/watcher-%.txt pyproject.toml
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement requirements/watcher-$*.txt \
	    --editable '.[watcher]'
	$(@D)/bin/python -c 'import watcher'
	@touch $@

# And for Aodh. The end-to-end tests run its services from there.
aodh: $(AODH:%=test-aodh-%)

test-aodh-%: .venvs/aodh-%/made
	.venvs/aodh-$*/bin/python -m pytest --quiet tests/aodh

.venvs/aodh-%/made: .venvs/aodh-%/$(MADE_BY) requirements/aodh-%.txt pyproject.toml
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement requirements/aodh-$*.txt \
	    --editable '.[aodh]'
	@touch $@

bench: $(VENV)/dev
	@tools/need.sh prometheus:prometheus promtool:prometheus haproxy:haproxy wrk:wrk
	@mkdir -p build
	$(BIN)/python -m bench.gateway --json build/bench.json --plot build/bench.svg

# What one tenant's requests do to another's.
bench-fairness: $(VENV)/dev
	@tools/need.sh prometheus:prometheus promtool:prometheus
	$(BIN)/python -m bench.fairness

# Mixed, slow, cancelled and hostile requests while the servers behind the gateway fail by turns.
soak: $(VENV)/dev
	@tools/need.sh prometheus:prometheus promtool:prometheus memcached:memcached
	$(BIN)/python -m bench.soak --minutes $(SOAK_MINUTES)

bench-cloudkitty: $(VENV)/dev .venvs/cloudkitty-25/made
	@tools/need.sh prometheus:prometheus promtool:prometheus
	$(BIN)/python -m bench.cloudkitty

bench-watcher: .venvs/watcher-17/made
	@tools/need.sh prometheus:prometheus promtool:prometheus
	.venvs/watcher-17/bin/python -W ignore -m bench.watcher

web: web/node_modules/made
	cd web && npm run --silent build

web-check: web/node_modules/made
	cd web && npm run --silent types && npm run --silent lint && npm run --silent test
	cd web && WEB_OUTPUT=../build/web npm run --silent build
	node web/tools/compare.js src/chrysaetos/web/static build/web

web-images: $(VENV)/dev
	@tools/need.sh prometheus:prometheus promtool:prometheus chromium:chromium
	$(BIN)/python -m tools.page_images

web-check-with-node:
	@if node -e 'process.exit(Number.parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then $(MAKE) web-check; \
	    else echo "web-check is skipped: it needs Node 20"; fi

web/node_modules/made: web/package-lock.json
	cd web && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# The samples of configuration and policy, deploy/, and the dashboards, generated from the code. A test fails if they are out of date.
samples: $(VENV)/dev
	$(BIN)/python -m tools.dashboards
	$(BIN)/python -m tools.deploy
	$(BIN)/oslo-config-generator --namespace chrysaetos --output-file etc/aetos.conf.sample
	$(BIN)/oslopolicy-sample-generator --namespace chrysaetos --output-file etc/policy.yaml.sample

# The versions that CI and the demo use. A newer Python may require other packages than an older one.
lock:
	echo "# Written by make lock." > $(LOCK)
	for python in $$($(PYTHON) tools/pythons.py); do \
	    $$python -m venv --clear .venvs/lock && \
	    .venvs/lock/bin/pip install --quiet --constraint $(LOCK) '.[dev]' && \
	    .venvs/lock/bin/pip freeze --exclude chrysaetos | sort --ignore-case --unique --output $(LOCK) $(LOCK) - || exit; \
	done
	rm -rf .venvs/lock

lock-cloudkitty-%:
	$(PYTHON) -m venv --clear .venvs/cloudkitty-$*
	.venvs/cloudkitty-$*/bin/pip install --quiet 'cloudkitty==$*.*' oslotest testscenarios \
	    pytest pytest-asyncio pytest-timeout $(if $(filter 25,$*),PyMySQL)
	{ echo "# Written by make $@."; .venvs/cloudkitty-$*/bin/pip freeze; } > requirements/cloudkitty-$*.txt

lock-watcher-%:
	$(PYTHON) -m venv --clear .venvs/watcher-$*
	.venvs/watcher-$*/bin/pip install --quiet 'python-watcher==$*.*' 'SQLAlchemy<2.1' oslotest testscenarios werkzeug \
	    pytest pytest-asyncio pytest-timeout
	{ echo "# Written by make $@."; .venvs/watcher-$*/bin/pip freeze; } > requirements/watcher-$*.txt

lock-aodh-%:
	$(PYTHON) -m venv --clear .venvs/aodh-$*
	.venvs/aodh-$*/bin/pip install --quiet 'aodh==$*.0.*' oslotest pytest pytest-asyncio pytest-timeout waitress
	{ echo "# Written by make $@."; .venvs/aodh-$*/bin/pip freeze; } > requirements/aodh-$*.txt

clean:
	rm -rf $(VENV) build dist src/*.egg-info

%/$(MADE_BY):
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; set PYTHON=...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/need.sh no-ensurepip:python3-venv
	rm -rf $*
	$(PYTHON) -m venv $*
	@touch $@

.PRECIOUS: %/$(MADE_BY)

$(VENV)/%: $(VENV)/$(MADE_BY) pyproject.toml $(LOCK)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint $(LOCK) --editable '.[$*]'
	@touch $@
