# Everything starts here: `make demo` needs Python 3.11 or 3.12, git and make. ARGS="..." is passed on.

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= python3
ARGS   ?=
setup  := PYTHON="$(PYTHON)" sh tools/setup.sh
EXTRAS := live feed context decider validator executor ledger gateway notifier cli mcp replay telemetry embedded demo

export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Containers often set it: each of the processes that the demo and the tests start would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE
MAKEFLAGS += --no-print-directory

.PHONY: help setup demo test test-long check bench fmt lock wheel sbom audit clean dev-environment demo-environment
.NOTPARALLEL:

help:
	@printf '%s\n' 'make demo   paper trading on a replayed market, with servers of its own' \
	  'make test   all tests (ARGS="tests/unit -k risk"); make test-long: in their long forms' \
	  'make check  format, lint, types, layers, documents' \
	  'make bench  measurements' 'make fmt    format and fix' 'make setup  only the virtual environment' \
	  'make lock   pins anew from pyproject.toml' 'make wheel  dist/perpetua-*.whl: docs/operations.md' \
	  'make sbom   dist/sbom: what is in each image' 'make audit  known weaknesses of the pins (asks outside)' 'make clean  caches and build output'

# tools/setup.sh says what it promises; where nothing is to be done it takes a few hundredths of a second.
dev-environment:
	@$(setup) dev

demo-environment:
	@$(setup) demo

setup: dev-environment
	@sh tools/page.sh 2>/dev/null

# The page is built beside the start: its gateway says until then that it is not there yet.
demo: demo-environment
	@(nice -n 10 sh tools/page.sh >/dev/null 2>&1 &)
	@exec $(BIN)/perpetua demo $(ARGS)

test: dev-environment
	@exec $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# All fourteen days, hundreds of kills, thousands of examples; PERPETUA_EXAMPLES=n takes n of each property.
test-long: export PERPETUA_LONG := 1
test-long: test

bench: dev-environment
	@exec $(BIN)/python -m bench $(ARGS)

fmt: dev-environment
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

check: dev-environment
	@failed=""; \
	step() { \
	  name="$$1"; shift; begin=$$(date +%s); \
	  if output=$$("$$@" 2>&1); then printf 'ok      %s (%s s)\n' "$$name" "$$(($$(date +%s) - begin))"; \
	  else printf '%s\nFAILED  %s\n' "$$output" "$$name"; failed="$$failed $$name"; fi; \
	}; \
	step format $(BIN)/ruff format --check; \
	step lint $(BIN)/ruff check; \
	step types $(BIN)/mypy libs services replay simulation cli tools tests bench; \
	step layers $(BIN)/lint-imports --no-cache; \
	step documents $(BIN)/python -m tools.checks; \
	[ -z "$$failed" ] || { printf 'failed:%s\n' "$$failed"; exit 1; }

# The pins hold no address: any index that pip is configured for serves them. The folder is left so that the
# platforms named in pyproject.toml do not narrow the pins of uv itself.
lock:
	@$(setup) bootstrap; index="$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)"; \
	index="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$index}}}"; \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	[ -z "$$PIP_CERT" ] || export SSL_CERT_FILE="$${SSL_CERT_FILE:-$$PIP_CERT}"; \
	(cd requirements && ../$(BIN)/uv pip compile -q --no-config --universal --generate-hashes --no-header --no-annotate \
	  --python-version 3.11 --directory . bootstrap.in -o bootstrap.txt) && \
	$(BIN)/uv lock -q $(ARGS) && \
	export="$(BIN)/uv export -q --frozen --no-header --no-annotate --no-emit-project --no-default-groups" && \
	for extra in $(EXTRAS); do $$export --extra $$extra -o requirements/$$extra.txt || exit 1; done && \
	$$export --all-extras --group dev -o requirements/dev.txt && \
	$(BIN)/uv export -q --frozen --no-header --no-annotate --only-group page -o requirements/page.txt && \
	$(BIN)/uv export -q --frozen --no-header --no-annotate --only-group audit -o requirements/audit.txt && \
	echo "locked: requirements/*.txt"

# As tools/setup.sh installs, uv and what builds are pinned: nothing is fetched, but what the page is built of.
wheel:
	@$(setup) bootstrap && rm -f dist/*.whl && $(BIN)/uv build -q --wheel --no-build-isolation --offline --python $(BIN)/python -o dist
	@sh tools/page.sh; $(BIN)/python -m tools.wheel dist/*.whl build/page

sbom: dev-environment
	@exec $(BIN)/python -m tools.sbom

# In an environment of its own, of pins like all else. It asks outside, and fails where it got no answer.
audit: dev-environment
	@[ -x .tools/audit/bin/python ] || $(BIN)/python -m venv .tools/audit
	@.tools/audit/bin/python -m pip install -q --require-hashes -r requirements/audit.txt
	@exec $(BIN)/python -m tools.audit .tools/audit/bin/pip-audit

clean:
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	@find libs services replay simulation cli tools tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
	@echo "clean (left as they are: .venv .tools .perpetua)"
