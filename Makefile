# What there is to do with a checkout. `make demo` and `make test` set up everything they need.

PYTHON ?= python3
CI ?=
MUSIC ?=
LABELS ?=
LABEL ?=
MINUTES ?= 1
CORPUS ?=
RUN ?=
OPTIONS ?=
export CORPUS MUSIC LABELS LABEL MINUTES RUN OPTIONS

.PHONY: help setup demo test lint bench corpus-given pictures clean

help:
	@echo 'make demo       every stage on synthesized music; on your own with MUSIC=DIR [LABELS=FILE.csv [LABEL=COLUMN]] [MINUTES=1]'
	@echo 'make test       set up, then run the tests'
	@echo 'make setup      .venv with what pyproject.toml names; ffmpeg and sox'
	@echo 'make lint       ruff; oxlint and TypeScript for the page'
	@echo 'make bench CORPUS=DIR   our vectors beside other software; DIR/audio and DIR/metadata.csv (filename, song, album)'
	@echo 'make pictures RUN=DIR MUSIC=DIR LABELS=FILE.csv   pictures of the map of a run'
	@echo 'make clean      remove caches and benchmark output; music, vectors, runs and demos stay'

setup: .venv/installed

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo 'error: Python 3.10 or newer is needed; make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo 'error: Python has no venv here; on Debian and Ubuntu: sudo apt-get install python3-venv' >&2; exit 1; }

# The file carries the date of the last installation, so that a changed list is installed again and an unchanged one is not.
.venv/installed: requirements.txt pyproject.toml | .venv/bin/python
	@sh tools/install_programs.sh ffmpeg sox
	@.venv/bin/python tools/install_packages.py requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt pyproject.toml .venv/installed
	@.venv/bin/python tools/install_packages.py requirements-dev.txt
	@touch $@

demo: .venv/installed
	@.venv/bin/python tools/demo.py --max-minutes "$$MINUTES" --labels "$$LABELS" --label "$$LABEL" -- "$$MUSIC"

# Without a Chromium the page's tests cannot run: an error under CI, said and skipped elsewhere.
# Two processes share the files of tests; one where there is one core.
test: .venv/installed-dev
	@sh tools/install_programs.sh chromium || test -z "$(CI)"
	.venv/bin/python -m pytest -n logical --maxprocesses 2 --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/oxlint -c static_web_viewer/page/.oxlintrc.json static_web_viewer/page
	PATH="$$PWD/.venv/bin:$$PATH" npx --yes -p typescript@5.9.3 tsc -p static_web_viewer/page

# The tables and the pictures quality.png and seconds.png of docs/results.md, on a corpus of clips: CORPUS/audio and CORPUS/metadata.csv (filename, song, album).
bench: corpus-given .venv/installed-dev
	.venv/bin/python spectrify_all.py "$$CORPUS/audio" bench_out/vectors
	.venv/bin/python benchmarks/quality.py "$$CORPUS/audio" bench_out/vectors "$$CORPUS/metadata.csv" bench_out/quality
	.venv/bin/python benchmarks/train.py bench_out/vectors "$$CORPUS/metadata.csv"
	.venv/bin/python benchmarks/train_scale.py

# The pictures of the map in README and docs, of any run: make pictures RUN=DIR MUSIC=DIR LABELS=FILE.csv [OPTIONS='--title "My music"']
pictures: .venv/installed-dev
	.venv/bin/python tools/map_pictures.py "$$RUN" "$$MUSIC" "$$LABELS" design_diagrams/ --options="$$OPTIONS"

corpus-given:
	@test -n "$$CORPUS" || { echo 'error: which corpus? make bench CORPUS=DIR, with DIR/audio and DIR/metadata.csv (filename, song, album)' >&2; exit 1; }

# What you made with the scripts, example_* and demo/, is left alone.
clean:
	rm -rf bench_out .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
