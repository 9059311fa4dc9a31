# Two commands do everything: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
KILLS := 500
PICTURES := 20000
REQUESTS := 2000
SEED := 1
MINUTES := 10
PREFIX := /opt/tagger
FOLDERS :=
FETCH ?= yes
# What it downloads is put together in TMPDIR: gigabytes, and /tmp is memory on many a machine.
# Nothing is taken whose hash is not in the lock, and nothing is built from a source that would bring more.
PIP_INSTALL = pip install --disable-pip-version-check
LOCKED = --require-hashes --only-binary=:all: --requirement requirements-build.txt --requirement
ITSELF = --no-deps --no-build-isolation
# UPGRADE='--upgrade-package pillow' takes a newer one, UPGRADE=--upgrade all. Wheels for Python 3.11 to 3.14 on any machine.
UPGRADE :=
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-build --generate-hashes \
  --custom-compile-command 'make lock'
# The file on standard input that names them.
NO_TORCH = printf 'torch\ntorchvision\n' |

# Each of a thousand processes would compile Tagger anew where the environment says to keep no bytecode.
unexport PYTHONDONTWRITEBYTECODE

# Many tests wait, for a daemon or a health check: two workers more than there are cores have something to do meanwhile.
PYTEST = $(BIN)/pytest --numprocesses=$$(($$(nproc) + 2)) --durations=20

.PHONY: run test test-all test-long attack lowest coverage lint lock audit install uninstall test-systemd bench bench-decode bench-store bench-sql chaos soak clean

# The first one also fetches ImageNet-1k weights, 45 MB, if it can; never a later one: make run FETCH=no leaves them out.
run: .venv/.installed .venv/.fetched
	@mkdir -p inbox
	@exec $(BIN)/tagger run --config config/tagger.yaml

# All that asserts how Tagger behaves, but for what is marked `long`: six minutes on two cores at most. The slowest tests are listed.
test: .venv/.installed-dev
	$(PYTEST) -m 'not long' --ignore=tests/systemd

# What is marked `long` besides: kills, fuzzing, faults, browsers, other programs and a booted Debian. Half an hour; with --jobs=2, the
# Debian beside the rest.
# The attack comes last and alone, for it measures.
test-all: test-long test-systemd
	$(MAKE) attack

test-long: .venv/.installed-dev
	$(PYTEST) -m long --ignore=tests/systemd

# A daemon under attack; prints what it bore. Five minutes. More of it: make attack PICTURES=200000 REQUESTS=20000 SEED=7
attack: .venv/.installed-dev
	$(BIN)/python -m tests.attack $(PICTURES) $(REQUESTS) $(SEED)

# The page, the API and who may use them, with the oldest of each library that pyproject.toml allows (torch aside). What is
# deprecated since is no fault of theirs, and Schemathesis stands on newer ones. Four minutes.
lowest: .venv/.installed-dev
	$(BIN)/uv venv --quiet --clear .venv-lowest --python $(BIN)/python
	$(NO_TORCH) $(BIN)/uv pip compile --quiet --no-build --resolution lowest-direct --excludes /dev/stdin pyproject.toml \
	  --output-file .venv-lowest/lowest.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python .venv-lowest --requirement .venv-lowest/lowest.txt \
	  pytest pytest-xdist httpx hypothesis editables hatchling
	$(BIN)/uv pip install --quiet --python .venv-lowest $(ITSELF) --editable .
	.venv-lowest/bin/pytest --numprocesses=$$(($$(nproc) + 1)) -W default::DeprecationWarning -W default::PendingDeprecationWarning \
	  -k 'not keeps_to_its_description' tests/e2e/test_web*.py tests/unit/test_web*.py

# Which lines the tests of both run.
coverage: .venv/.installed-dev
	$(PYTEST) --ignore=tests/systemd --cov --cov-report=term

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Writes what is installed anew from pyproject.toml: each version, and the hashes of its files. What still suits stays.
lock: .venv/.installed-dev
	$(COMPILE) $(UPGRADE) pyproject.toml --extra dev --group build --output-file requirements-dev.txt
	$(COMPILE) pyproject.toml --constraints requirements-dev.txt --output-file requirements.txt
	$(NO_TORCH) $(COMPILE) pyproject.toml --constraints requirements-dev.txt --excludes /dev/stdin --output-file requirements-slim.txt
	$(COMPILE) --group build --constraints requirements-dev.txt --output-file requirements-build.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --extra bench --constraints requirements-dev.txt --output-file requirements-bench.txt

# Does the lock name what is known to be vulnerable? Asks the public list of advisories, so it needs the internet.
audit: .venv/.installed-dev
	$(BIN)/pip-audit --strict --disable-pip --requirement requirements-dev.txt --requirement requirements-bench.txt

# As a service of this machine's (docs/service.md), as root: make install FOLDERS='/home/you/Pictures /srv/camera'
install:
	$(PYTHON) -m venv $(PREFIX)
	TMPDIR=$(PREFIX) $(PREFIX)/bin/$(PIP_INSTALL) $(LOCKED) requirements.txt
	TMPDIR=$(PREFIX) $(PREFIX)/bin/$(PIP_INSTALL) $(ITSELF) .
	$(PREFIX)/bin/tagger service install $(FOLDERS)
	ln -sf $(PREFIX)/bin/tagger /usr/local/bin/tagger

# The config and the tags stay. A folder that is no virtual environment is not removed.
uninstall:
	$(PREFIX)/bin/tagger service uninstall
	@if [ "$$(readlink /usr/local/bin/tagger)" = $(PREFIX)/bin/tagger ]; then rm /usr/local/bin/tagger; fi
	@if [ -f $(PREFIX)/pyvenv.cfg ]; then rm -r $(PREFIX); fi

# The units; a service's whole life on a small Debian that is booted for it; the image's, on another. As root; skips these with
# a reason where it cannot be. Five minutes.
test-systemd: .venv/.installed-dev
	$(BIN)/pytest tests/systemd --machine --durations=20

# Against the pipelines that one would write instead; writes docs/performance.md. With TAGGER_PHOTOS, a folder of
# photos, the pictures are made from those. About an hour, on a machine that does nothing else.
bench: .venv/.installed-bench
	$(BIN)/python -m benchmarks.compare --write

# Parts of what users were promised: decoding, the store, the questions in docs/sql.md at a million files.
bench-decode: .venv/.installed-dev
	$(BIN)/python -m benchmarks.decode

bench-store: .venv/.installed-dev
	$(BIN)/python -m benchmarks.store

bench-sql: .venv/.installed-dev
	folder=$$(mktemp -d) && $(BIN)/python -m benchmarks.sql $$folder; rm -r $$folder

# kill -9 at random moments and at every step of the pipeline; prints what was lost, doubled, done again. A quarter of an hour.
chaos: .venv/.installed-dev
	$(BIN)/python -m tests.chaos.kills $(KILLS)

# 50 pictures a second: does memory or anything else grow? And how soon is a picture tagged?
soak: .venv/.installed-dev
	$(BIN)/python -m benchmarks.soak steady $(MINUTES)

clean:
	rm -rf .venv .venv-lowest

.venv/.installed: pyproject.toml requirements-build.txt requirements.txt | .venv
	TMPDIR='$(CURDIR)/.venv' $(BIN)/$(PIP_INSTALL) $(LOCKED) requirements.txt
	TMPDIR='$(CURDIR)/.venv' $(BIN)/$(PIP_INSTALL) $(ITSELF) --editable .
	@touch $@

# Tried once. Where no server answers, that takes ten seconds and a line that says how to do it later.
.venv/.fetched: | .venv/.installed
ifneq ($(FETCH),no)
	-$(BIN)/tagger models fetch resnet18 --best-effort
endif
	@touch $@

.venv/.installed-dev: pyproject.toml requirements-build.txt requirements-dev.txt | .venv
	TMPDIR='$(CURDIR)/.venv' $(BIN)/$(PIP_INSTALL) $(LOCKED) requirements-dev.txt
	TMPDIR='$(CURDIR)/.venv' $(BIN)/$(PIP_INSTALL) $(ITSELF) --editable .
	@touch $@ .venv/.installed

.venv/.installed-bench: pyproject.toml requirements-build.txt requirements-bench.txt | .venv
	TMPDIR='$(CURDIR)/.venv' $(BIN)/$(PIP_INSTALL) $(LOCKED) requirements-bench.txt
	TMPDIR='$(CURDIR)/.venv' $(BIN)/$(PIP_INSTALL) $(ITSELF) --editable .
	@touch $@ .venv/.installed-dev .venv/.installed

.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Tagger needs Python 3.11 or newer: install one, then: make run PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo 'This Python cannot make a virtual environment. On Debian or Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
