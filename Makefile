# `make` lists the targets. They install the Python packages that they need into
# $(VENV); `make test` also what it needs of the system, by apt-get when root.
# `make quickstart` needs nothing but Python.

PYTHON := $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
VENV := .venv
EXTRA_PINS :=
ARGS :=
# Tests wait more than they compute, so more of them run at once than there are cores.
WORKERS := 4

# Where Debian and Ubuntu put the sources of packaged Go libraries.
GOCODE := /usr/share/gocode

BIN = $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --no-input
PROJECT_FILES := setup.cfg pyproject.toml companion/setup.cfg companion/pyproject.toml

# Runs a command and shows what it printed only if it failed.
QUIETLY = sh -c 'log=$$(mktemp); "$$@" >"$$log" 2>&1; status=$$?; \
	[ $$status -eq 0 ] || cat "$$log" >&2; rm -f "$$log"; exit $$status' --
AGAIN = $(MAKE) --no-print-directory

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help install system-packages system-sdk system-simulator system-clients \
	vcsim quickstart quickstart-olvm docs test package-test clients crash-test network-test mutants bench bench-lab lint format clean FORCE

help: ## list the targets (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'Variables, as in `make test ARGS="-k batch"`:'
	@echo '  PYTHON      interpreter that a new environment is made with (now $(PYTHON))'
	@echo '  VENV        the environment (now $(VENV))'
	@echo '  EXTRA_PINS  more requirements for pip, such as "pyvmomi<9"'
	@echo '  ARGS        arguments for pytest, or for the benchmark'
	@echo '  WORKERS     how many tests run at once (now $(WORKERS))'

install: $(VENV)/.installed ## make the environment: the package, its extras, the tools

quickstart: $(VENV)/.installed-for-quickstart ## shut down VMs of a small lab, and bring them back
	@$(AGAIN) quickstart-olvm
	@$(BIN)/python -m examples.quickstart

test: $(VENV)/.installed build/vcsim ## run the tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

package-test: $(VENV)/.installed ## build the distributions, and try them in fresh environments
	@$(BIN)/python -m pytest -m packaging tests/packaging $(ARGS)

# What passes is written to docs/clients.md, unless ARGS choose some of the tests. Files start in
# order: the playbooks of Ansible, which take longest, come first.
clients: $(VENV)/.installed-for-clients build/govc build/vcsim-newest build/ansible_collections ## drive other people's clients against the lab
	@$(AGAIN) system-clients
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -p no:randomly -m clients \
		$(if $(strip $(ARGS)),$(ARGS),tests/clients tests/contract --clients-table)

crash-test: $(VENV)/.installed build/vcsim ## kill 100 runs on each platform, and see that all comes back
	@$(BIN)/python -m pytest tests/e2e/test_crash.py --crashes 100 $(ARGS)

network-test: $(VENV)/.installed build/vcsim ## act 1,000 times on a network that breaks
	@$(BIN)/python -m pytest tests/vsphere/test_stress.py --trials 1000 $(ARGS)

# Without ARGS all of them, which takes about half an hour on two cores; what a run has
# found is kept in mutants/, and only what has changed since is tried again.
mutants: $(VENV)/.installed ## change the code at random, and see that tests notice
	@$(BIN)/mutmut run --max-children $(WORKERS) $(ARGS)
	@$(BIN)/python -m tests.mutants

# Without Go's modules govc is left out.
bench: $(VENV)/.installed build/vcsim ## measure what it costs, beside what could be used instead
	@$(AGAIN) build/govc || true
	@$(BIN)/python -m benchmarks $(ARGS)

bench-lab: $(VENV)/.installed build/vcsim ## measure the lab, beside the simulator
	@$(BIN)/python -m benchmarks.lab $(ARGS)

docs: $(VENV)/.installed ## build the documentation site, as build/site
	@$(BIN)/python docs/generate.py
	@$(QUIETLY) $(BIN)/zensical build --clean --strict
	@echo 'Open build/site/index.html'

lint: $(VENV)/.installed ## check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.installed ## format the code and fix what can be fixed
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

vcsim: build/vcsim ## build the vCenter simulator

clean: ## remove the environments and whatever was built
	rm -rf .venv .venv-* build dist *.egg-info companion/build companion/dist companion/*.egg-info
	rm -rf mutants .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- The environment --------------------------------------------------------
# Of the platforms' SDKs only oVirt's needs a compiler. The quickstart does
# without it where it cannot be had.

QUICKSTART_EXTRAS := vsphere,lab,report
ALL_EXTRAS := platforms,lab,report,test,bench,dev

$(VENV)/.installed: $(PROJECT_FILES) $(VENV)/.extra-pins | $(BIN)/python
	@$(AGAIN) system-sdk
	@echo 'Installing the package and its tools into $(VENV)'
	@$(QUIETLY) $(PIP_INSTALL) -e '.[$(ALL_EXTRAS)]' -e companion $(EXTRA_PINS:%='%')
	@touch $@ $(VENV)/.installed-for-quickstart

$(VENV)/.installed-for-quickstart: $(PROJECT_FILES) $(VENV)/.extra-pins | $(BIN)/python
	@echo 'Installing the package into $(VENV)'
	@$(QUIETLY) $(PIP_INSTALL) -e '.[$(QUICKSTART_EXTRAS)]' -e companion 'chaostoolkit>=1.19' \
		$(EXTRA_PINS:%='%')
	@touch $@

# Tried each time until it is there: what was missing may have been installed.
quickstart-olvm:
	@$(BIN)/python -c 'import ovirtsdk4, pycurl' 2>/dev/null || { \
		echo "Installing oVirt's SDK into $(VENV)"; \
		$(PIP_INSTALL) -q -e '.[olvm]' $(EXTRA_PINS:%='%') >$(VENV)/olvm.log 2>&1; } || { \
		echo "oVirt's SDK could not be installed: $(VENV)/olvm.log tells why. It is built from source."; \
		$(if $(strip $(SDK_LACKS)),$(call name-packages,$(strip $(SDK_LACKS))),:); }

# Changes only when EXTRA_PINS does, and then has everything installed again.
$(VENV)/.extra-pins: FORCE | $(BIN)/python
	@echo '$(EXTRA_PINS)' | cmp -s - $@ || echo '$(EXTRA_PINS)' > $@

$(BIN)/python:
	@$(call $(if $(filter quickstart,$(MAKECMDGOALS)),demand,need),$(PYTHON_LACKS))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "chaosvm needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo 'Name another one: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(QUIETLY) $(PYTHON) -m venv $(VENV)

$(VENV)/.installed-for-clients: $(VENV)/.installed
	@echo 'Installing Ansible into $(VENV)'
	@$(QUIETLY) $(PIP_INSTALL) -e '.[clients]' $(EXTRA_PINS:%='%')
	@touch $@

# --- Other people's clients -------------------------------------------------
# govc and the newest simulator are Go modules, pinned by tests/clients/go.sum;
# Ansible's collections are a small part of a large wheel.

GO_BUILD = cd tests/clients && CGO_ENABLED=0 GO111MODULE=on GOFLAGS=-buildvcs=false \
	$(QUIETLY) go build -trimpath -o $(CURDIR)/build/

build/govc: tests/clients/govc/main.go tests/clients/go.sum
	@echo 'Building $@'
	@$(GO_BUILD)govc ./govc

build/vcsim-newest: tests/clients/vcsim/main.go tests/clients/go.sum
	@echo 'Building $@'
	@$(GO_BUILD)vcsim-newest ./vcsim

build/ansible_collections: tests/clients/ansible/requirements.txt $(VENV)/.installed-for-clients
	@echo 'Unpacking the collections of Ansible into $@'
	@rm -rf $@ build/ansible-wheel
	@$(QUIETLY) $(BIN)/python -m pip download --disable-pip-version-check --no-input --no-deps \
		--dest build/ansible-wheel --requirement $<
	@cd build && $(abspath $(BIN))/python -c 'import sys, zipfile; \
		wheel = zipfile.ZipFile(sys.argv[1]); \
		wheel.extractall(members=[name for name in wheel.namelist() if name.startswith(tuple(sys.argv[2:]))])' \
		ansible-wheel/*.whl $(addprefix ansible_collections/,community/vmware/ vmware/vmware/ ovirt/ovirt/)
	@rm -rf build/ansible-wheel
	@touch $@

# --- The simulator ----------------------------------------------------------

build/vcsim: $(wildcard tests/vcsim/*.go)
	@$(AGAIN) system-simulator
	@echo 'Building $@'
	@CGO_ENABLED=0 GO111MODULE=off GOFLAGS= GOPATH=$(GOCODE) $(QUIETLY) go build -o $@ ./tests/vcsim

# --- System packages --------------------------------------------------------
# What is missing of them, under Debian's names.

system-packages: ## install what the system lacks, all at once
	@$(call need,$(PYTHON_LACKS) $(SDK_LACKS) $(SIMULATOR_LACKS) $(CLIENTS_LACK))

system-sdk:
	@$(call need,$(SDK_LACKS))

system-simulator:
	@$(call need,$(SIMULATOR_LACKS))

system-clients:
	@$(call need,$(CLIENTS_LACK))

# python3.11, or plain python3: what the names of Python's packages start with.
PYTHON_PACKAGE = $(or $(filter python3%,$(notdir $(PYTHON))),python3)
PYTHON_HEADER = $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)/Python.h

PYTHON_LACKS = \
	$(shell $(PYTHON) -c '' 2>/dev/null || echo $(PYTHON_PACKAGE)) \
	$(shell $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || echo $(PYTHON_PACKAGE)-venv)
SDK_LACKS = \
	$(shell command -v cc >/dev/null && test -e /usr/include/stdlib.h || echo gcc libc6-dev) \
	$(shell test -e $(PYTHON_HEADER) || echo $(PYTHON_PACKAGE)-dev) \
	$(shell test -e /usr/include/libxml2/libxml/xmlreader.h || echo libxml2-dev)
SIMULATOR_LACKS = \
	$(shell command -v go >/dev/null || echo golang-go) \
	$(shell test -d $(GOCODE)/src/github.com/vmware/govmomi/simulator || echo golang-github-vmware-govmomi-dev)

CLIENTS_LACK = \
	$(shell command -v fence_rhevm >/dev/null || echo fence-agents) \
	$(shell command -v virsh >/dev/null || echo libvirt-clients)

need = $(if $(strip $(1)),$(call apt-install,$(strip $(1))),:)
demand = $(if $(strip $(1)),{ $(call name-packages,$(strip $(1))); exit 1; } >&2,:)

define apt-install
if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	echo 'Installing system packages: $(1)'; \
	$(QUIETLY) apt-get update -q || true; \
	DEBIAN_FRONTEND=noninteractive $(QUIETLY) \
		apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 $(1); \
else \
	{ $(call name-packages,$(1)); exit 1; } >&2; \
fi
endef

define name-packages
echo 'These system packages are missing: $(1)'; \
echo 'On Debian or Ubuntu, install them with'; \
echo '    sudo apt-get update && sudo apt-get install -y --no-install-recommends $(1)'; \
echo 'or all that any target needs with `sudo make system-packages`;'; \
echo 'elsewhere, install what corresponds to them. Then run make again.'
endef
