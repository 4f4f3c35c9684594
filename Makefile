# Needs Debian's python3-venv, gcc and make; what else is needed is fetched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_FLAGS ?=

DISK_PACKAGES := dosfstools e2fsprogs fdisk grub-common grub-efi-amd64-bin grub-pc-bin mmdebstrap mtools seabios
CROSS_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross
PACKAGES := $(DISK_PACKAGES) $(CROSS_PACKAGES) acpica-tools apt-utils bpftool busybox-static chromium clang cpio crash dwarves elpa-dap-mode emacs-nox gdb ipxe-qemu isolinux libslirp0 nasm openssh-client ovmf qemu-system-x86 qemu-user qemu-utils syslinux syslinux-common tmux xorriso

NATIVE := $(wildcard vmdbg/engine/native/*.c vmdbg/engine/native/*.h) vmdbg/engine/native/build.py
SAMPLE := $(wildcard samples/kernel/*.[chS] samples/kernel/smp/*.[chS] samples/kernel/*.ld) samples/kernel/Makefile
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check

.PHONY: vsix web wheels browser help demo demo-disk install test test-all conformance fuzz lint bench packages clean
.DELETE_ON_ERROR:

# The tests start vmdbg some thousand times: Python is to compile it once.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo 'make demo      install into .venv, boot the sample guest and debug it a little'
	@echo 'make demo-disk boot a Debian disk (built once, as root on Debian) to its login and off again'
	@echo 'make install   the same without the demonstration: then .venv/bin/vmdbg'
	@echo 'make test      lint and all tests but the slow ones'
	@echo 'make test-all  the slow ones too'
	@echo 'make conformance  random instructions, compared with what this machine makes of them'
	@echo 'make fuzz      a million hostile steps against every device'
	@echo 'make web       what the browser view has from npm, into the tree'
	@echo 'make wheels    what is published: sources, and wheels for x86-64 and AArch64, into dist'
	@echo 'make vsix      the extension for VS Code, dist/vmdbg.vsix'
	@echo 'make bench     the figures of the README, on this machine'

demo: install
	$(BIN)/python samples/demo.py

demo-disk: install
	packaging/apt-install $(DISK_PACKAGES)
	$(BIN)/python -m samples.demo_disk

install: $(VENV)/.installed

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# In place, so that tests and tools see the tree as it is.
$(VENV)/.installed: pyproject.toml setup.py $(NATIVE) $(SAMPLE) | $(VENV)/bin/python
	headers=$$(packaging/python-headers $(BIN)/python) && CPATH="$$headers$${CPATH:+:$$CPATH}" $(PIP) -e .
	touch $@

$(VENV)/.developed: $(VENV)/.installed pyproject.toml
	headers=$$(packaging/python-headers $(BIN)/python) && CPATH="$$headers$${CPATH:+:$$CPATH}" $(PIP) -e '.[dev]'
	touch $@

packages:
	packaging/apt-install $(PACKAGES)

test: lint packages browser
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(PYTEST_FLAGS)

# Against this machine's CPU, until it is told to stop: make conformance CASES=1e7 SEED=100 GROUP=x87, QEMU=1 and BOCHS=1
# for QEMU's user mode and Bochs' core, and SYSTEM=1 for privileged instructions, against qemu-system-x86_64 or Bochs
conformance: $(VENV)/.developed
	$(BIN)/python -m tests.conformance$(if $(SYSTEM),.system) $(CASES) $(if $(SEED),--seed $(SEED)) \
	    $(if $(BOCHS),--bochs) $(if $(SYSTEM),,$(if $(GROUP),--group "$(GROUP)") $(if $(QEMU),--qemu))

# make fuzz STEPS=1e5 TARGET="ide nvme-disk3"
fuzz: $(VENV)/.developed packages
	$(BIN)/python -m tests.fuzz $(or $(STEPS),1e6) $(TARGET)

test-all: lint packages browser
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'slow or not slow' --timeout 1800 $(PYTEST_FLAGS)

lint: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=bench $(BIN)/mypy bench/*.py
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/test_architecture.py

# What the page for browsers has from npm; needs Node.js.
web: vmdbg/web/page/vendor/LICENSE

vmdbg/web/page/vendor/LICENSE: packaging/web-vendor
	packaging/web-vendor vmdbg/web/page
	touch $@

# Sources and wheels, built, checked and put into dist.
wheels: $(VENV)/.developed web
	packaging/apt-install $(CROSS_PACKAGES)
	$(BIN)/python packaging/wheels.py

# What drives the browser that the tests of the page are in. Without npm they are skipped.
browser:
	test -d build/browser/node_modules/playwright-core || ! command -v npm >/dev/null || \
	    npm install --silent --no-audit --no-fund --ignore-scripts --prefix build/browser playwright-core@1 || \
	    echo 'npm cannot install playwright-core; going on without it' >&2

# VS Code's extension, packed by its own tool; needs Node.js.
vsix: dist/vmdbg.vsix

VSCE := build/vsce/node_modules/.bin/vsce

$(VSCE):
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix build/vsce @vscode/vsce@3

dist/vmdbg.vsix: $(wildcard editors/vscode/*) COPYING | $(VSCE)
	rm -rf build/vscode && mkdir -p build/vscode dist
	cp editors/vscode/* build/vscode && cp COPYING build/vscode/LICENSE.txt
	cd build/vscode && $(CURDIR)/$(VSCE) package --no-dependencies --allow-missing-repository --skip-license -o $(CURDIR)/$@

bench: $(VENV)/.developed packages
	set -e; for bench in bench/*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

clean:
	rm -rf $(VENV) build dist *.egg-info vmdbg/samples vmdbg/engine/native/_native.*
	$(MAKE) -C samples/kernel clean
