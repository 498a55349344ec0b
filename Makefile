.PHONY: help setup demo test test-fast lint types reference site matrix constraints web web-check web-checked bench walkthrough clean
PY = .venv/bin/python
NPM = npm --prefix panels

help:
	@echo "make demo   a demo dataset with its visualization, in the App"
	@echo "make test   every check and every test"
	@echo "make test-fast  the tests that need no browser, no Ray, no training and no worker, without slow ones"
	@echo "make lint   ruff, mypy and the rule of imports"
	@echo "make types  writes the web half's types from the panels' messages"
	@echo "make reference  docs/reference.md, from the code"
	@echo "make site   the docs as a site with a search, in .cache/site"
	@echo "make web    builds the web half of the panels into dist/ (needs Node 20)"
	@echo "make bench  NAME=..., QUICK=1 for a smaller run; without NAME it lists them"
	@echo "make setup  the virtual environment .venv that the others use"
	@echo "make walkthrough  the pictures of docs/walkthrough.md, taken again"
	@echo "make matrix  the tests that need no browser, Ray, training or worker, on every Python and FiftyOne that is promised"
	@echo "make constraints  the exact versions of constraints.txt, resolved again (needs uv)"
	@echo "make clean  removes what make created"

setup:
	@scripts/setup

demo: setup
	@$(PY) -m labelvet.demo

lint: setup
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@mkdir -p .cache/mypy && ln -sfn ../.. .cache/mypy/labelvet
	@MYPYPATH=.cache/mypy .venv/bin/mypy --cache-dir .cache/mypy_cache -p labelvet
	@PYTHONPATH=.cache/mypy .venv/bin/lint-imports --no-cache

types: setup
	@$(PY) -m labelvet.panels.typescript

reference: setup
	@$(PY) -m labelvet.cli.reference

# Material says with each build that its successor is on its way; mkdocs counts what it warns of only where
# it is not told to be quiet
site: setup
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict && echo "open .cache/site/index.html"

panels/node_modules: panels/package-lock.json
	@$(NPM) ci --silent
	@touch $@

web: panels/node_modules
	@$(NPM) run --silent build

# users have no Node, so the bundle is committed: it has to be what its source builds (that the types are
# what the messages say needs no Node, and is a test)
web-check:
	@if command -v npm >/dev/null || [ -n "$$CI" ]; then $(MAKE) --no-print-directory web-checked; \
		else echo "The web half of the panels is not checked: that needs Node 20" >&2; fi

web-checked: panels/node_modules
	@$(NPM) run --silent check
	@$(NPM) run --silent test
	@LABELVET_BUNDLE_DIR=$(CURDIR)/.cache/dist $(NPM) run --silent build -- --logLevel warn
	@cmp .cache/dist/index.umd.js dist/index.umd.js || \
		{ echo "dist/index.umd.js is not what panels/ builds: run 'make web' and commit it" >&2; exit 1; }

# several tests at a time, see tests/conftest.py: of all tests four, as many wait for a page, a worker or a
# cluster, and three left a fifth of two cores idle;
# what waited in vain for a page of the browser is tried once more, and told ("rerun")
PYTEST = $(PY) -m pytest tests --dist loadscope --no-loadscope-reorder

test: lint web-check
	@$(PYTEST) -n 4 --reruns 1 --only-rerun '^TimeoutError: (Locator|Page)' -rsR --durations 20

test-fast: setup
	@$(PYTEST) -n logical --maxprocesses 4 -m "not (slow or training or browser or ray or processes)"

matrix:
	@scripts/matrix

# one file for all of them, with a marker where a version does not fit every Python; what is in it
# stays where it still fits
constraints:
	@uv pip compile pyproject.toml --all-extras --universal --python-version 3.10 --quiet \
		--no-annotate --custom-compile-command "make constraints" -o constraints.txt

bench: setup
	@QUICK=$(QUICK) $(PY) -m labelvet.bench $(NAME)

walkthrough: setup
	@LABELVET_WALKTHROUGH=1 $(PY) -m pytest tests/browser/test_walkthrough.py

clean:
	rm -rf .venv .demo .cache panels/node_modules .hypothesis .ruff_cache *.egg-info build tests/artifacts
