# Every target sets itself up: nothing is needed but make and Python 3.11 or newer.
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help demo demo-reset run-packages test-packages test check soak bench pins docs

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: run-packages ## the whole platform on this machine, with a shop, people and simulated browsers
	@exec $(PY) -m pushplatform.demo --end-with-parent

demo-reset: ## forget the demo and all its data
	@for python in $(PY) $(PYTHON) python3; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
	    exec $$python -m pushplatform.demo.reset; fi; done; \
	echo "Python 3.11 or newer was not found. Name it: make demo-reset PYTHON=/path/to/python3" >&2; exit 1

test: check ## all tests but the long ones; T=tests/webpush for some
	@$(PY) -m pytest -n logical --maxprocesses 4 --dist loadfile $(T)

check: test-packages ## linters, types and who may import whom
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

soak: test-packages ## the long tests: faults, kills, large data
	@$(PY) -m pytest -m soak $(T)

bench: test-packages ## BENCH=name measures, writes var/bench/name.json; without a name: lists them
	@$(PY) -m tests.bench $(BENCH)

pins: test-packages ## newest versions into requirements/*.txt
	@cd requirements && for set in install run test; do \
	  ../.venv/bin/uv pip compile -q --upgrade --python-version 3.11 --universal --generate-hashes \
	    --no-emit-index-url --no-header $$set.in -o $$set.txt || exit 1; done

docs: test-packages ## the pages of docs/ that are written from what the code declares
	@for page in settings answers api/reasons api/statuses; do \
	  SECRET_KEYS=none ENVIRONMENT=test $(PY) manage.py $${page##*/}_page > docs/$$page.md.new && \
	  mv docs/$$page.md.new docs/$$page.md || exit 1; done

run-packages:
	@sh requirements/install.sh run

test-packages:
	@sh requirements/install.sh run
	@sh requirements/install.sh test
