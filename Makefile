.PHONY: help setup demo test lint bench clean
PY = .venv/bin/python

help:
	@echo "make demo   a demo dataset with its visualization, in the App"
	@echo "make test   every check and every test"
	@echo "make lint   ruff, mypy and the rule of imports"
	@echo "make bench  NAME=embed|reduce|memory|resume, QUICK=1 for a smaller run"
	@echo "make setup  the virtual environment .venv that the others use"
	@echo "make clean  removes what make created"

setup:
	@scripts/setup

demo: setup
	@$(PY) -m labelvet.demo

lint: setup
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@mkdir -p .cache/mypy && ln -sfn ../.. .cache/mypy/labelvet
	@MYPYPATH=.cache/mypy .venv/bin/mypy --cache-dir .cache/mypy_cache -p labelvet.embeddings -p labelvet.operators -p labelvet.panels -p labelvet.demo -p labelvet.bench -m labelvet.cli
	@.venv/bin/lint-imports --no-cache

test: lint
	@$(PY) -m pytest tests

bench: setup
	@QUICK=$(QUICK) $(PY) -m labelvet.bench $(NAME)

clean:
	rm -rf .venv .demo .cache .hypothesis .ruff_cache *.egg-info build tests/artifacts
