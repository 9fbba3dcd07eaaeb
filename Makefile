# Two commands need nothing but Python 3.11+ and make: `make demo` and `make test`. See README.md.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PINS := pyproject.toml requirements/lock.txt requirements/tools.env .ci/setup
CODE := engine bridge plugin_host benchmarks
OUT ?= out
MINUTES ?= 75

.PHONY: help demo test lint format plugin bench soak train setup clean distclean

help:
	@echo "make demo    three requests to a running engine, as a DAW would send them; results in out/"
	@echo "make test    the linter, the type checker and the whole test suite"
	@echo "make lint    the linter and the type checker alone;  make format repairs what it can"
	@echo "make plugin  the plugin as VST3, CLAP and LV2, built and installed for this user; needs g++ and dpf-source"
	@echo "make bench   five minutes of speed, latency, deadlines and growth, then docs/benchmarks.md; on free cores"
	@echo "make soak    10 minutes of blocks on time while the engine renders, 100 engines killed (half an hour), 10 minutes of"
	@echo "             the host on JACK and 100 edits of its chain (12), a performance played in by MIDI (2); on free cores"
	@echo "make train   MINUTES=75: corpus, codec, teacher, student, evaluation, bundle"
	@echo "make clean   removes what was built;  make distclean also .venv"

setup: $(VENV)/.ready

$(VENV)/.ready: $(PINS)
	PYTHON=$(PYTHON) .ci/setup

demo: $(VENV)/.ready
	$(PY) -m bridge.cli demo --out $(OUT)

test: lint
	$(PY) -m pytest $(PYTEST)

lint: $(VENV)/.ready
	$(PY) -m ruff check $(CODE) tests
	$(PY) -m ruff format --check $(CODE) tests
	$(PY) -m mypy

format: $(VENV)/.ready
	$(PY) -m ruff check --fix $(CODE) tests
	$(PY) -m ruff format $(CODE) tests

plugin:
	@$(MAKE) --no-print-directory -j2 -C plugin_host/plugin install

bench: $(VENV)/.ready
	$(PY) -m benchmarks.rtf --repeats 10 --grid-repeats 3
	$(PY) -m benchmarks.latency --repeats 15 --starts 2 --requests 100
	$(PY) -m benchmarks.bridge --count 300 --audio-count 50
	$(PY) -m benchmarks.deadlines --minutes 0.1 --look-ahead-bars 10 --graph-seconds 5
	$(PY) -m benchmarks.peers --quick --repeats 2
	$(PY) -m benchmarks.growth --quick --requests 3
	$(PY) -m benchmarks.report

soak: $(VENV)/.ready
	$(PY) -m benchmarks.soak --minutes 10
	$(PY) -m benchmarks.kill --count 100
	$(PY) -m benchmarks.host --minutes 10
	$(PY) -m benchmarks.performance

train: $(VENV)/.ready
	$(PY) -m bridge.cli train --budget-minutes $(MINUTES) --out work/bundle

clean:
	rm -rf $(OUT) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache *.egg-info
	find $(CODE) tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
