# Everything starts here: `make demo` needs Python 3.11 or 3.12, git and make. ARGS="..." is passed on.

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= python3
ARGS   ?=
GROUPS := live feed context decider validator executor ledger gateway cli embedded demo dev

export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Containers often set it: each of the processes that the demo and the tests start would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE
MAKEFLAGS += --no-print-directory

.PHONY: help setup demo test test-long check bench fmt lock clean
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:
	@printf '%s\n' 'make demo   paper trading on a replayed market, with servers of its own' \
	  'make test   all tests (ARGS="tests/unit -k risk"); make test-long: in their long forms' \
	  'make check  format, lint, types, layers, documents' \
	  'make bench  measurements' 'make fmt    format and fix' 'make setup  only the virtual environment' \
	  'make lock   pins anew from pyproject.toml' 'make clean  caches and build output'

setup: $(VENV)/.dev

demo: $(VENV)/.demo
	@exec $(BIN)/perpetua demo $(ARGS)

test: $(VENV)/.dev
	@exec $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# All fourteen days, hundreds of kills, thousands of examples; PERPETUA_EXAMPLES=n takes n of each property.
test-long: export PERPETUA_LONG := 1
test-long: test

bench: $(VENV)/.dev
	@exec $(BIN)/python -m bench $(ARGS)

fmt: $(VENV)/.dev
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

check: $(VENV)/.dev
	@failed=""; \
	step() { \
	  name="$$1"; shift; begin=$$(date +%s); \
	  if output=$$("$$@" 2>&1); then printf 'ok      %s (%s s)\n' "$$name" "$$(($$(date +%s) - begin))"; \
	  else printf '%s\nFAILED  %s\n' "$$output" "$$name"; failed="$$failed $$name"; fi; \
	}; \
	step format $(BIN)/ruff format --check; \
	step lint $(BIN)/ruff check; \
	step types $(BIN)/mypy libs services cli tools tests bench; \
	step layers $(BIN)/lint-imports --no-cache; \
	step documents $(BIN)/python -m tools.checks; \
	[ -z "$$failed" ] || { printf 'failed:%s\n' "$$failed"; exit 1; }

# The pins hold no address: any index that pip is configured for serves them. The folder is left so that the
# platforms named in pyproject.toml do not narrow the pins of uv itself.
lock: $(VENV)/.bootstrap
	@$(use_index); \
	(cd requirements && ../$(BIN)/uv pip compile -q --no-config --universal --generate-hashes --no-header --no-annotate \
	  --python-version 3.11 --directory . bootstrap.in -o bootstrap.txt) && \
	$(BIN)/uv lock -q $(ARGS) && \
	for group in $(GROUPS); do \
	  $(BIN)/uv export -q --frozen --no-header --no-annotate --no-emit-project --no-default-groups \
	    --group $$group -o requirements/$$group.txt || exit 1; \
	done; echo "locked: requirements/*.txt"

clean:
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	@find libs services cli tools tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
	@echo "clean (left as they are: .venv .tools .perpetua)"

# ---- the virtual environment, hidden behind all of the above ----------------------------------------------------

# uv does not read pip's configuration: tell it the index and the certificates that pip would use.
define use_index
index="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}}}"; \
[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
[ -z "$$PIP_CERT" ] || export SSL_CERT_FILE="$${SSL_CERT_FILE:-$$PIP_CERT}"
endef

# Also wanted with a venv that uv made: it is kept, and gets pip.
$(VENV)/.bootstrap: requirements/bootstrap.txt
	@begin=$$(date +%s); fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))'; \
	[ "$$(uname -sm)" = "Linux x86_64" ] || { \
	  echo "setup: the pins are for Linux x86_64, this is $$(uname -sm): use a Linux machine or container" >&2; exit 1; }; \
	if ! $(BIN)/python -c "$$fits" 2>/dev/null; then \
	  for python in $(PYTHON) python3.12 python3.11 none; do "$$python" -c "$$fits" 2>/dev/null && break; done; \
	  [ "$$python" != none ] || { \
	    echo "setup: needs Python 3.11 or 3.12 ($$($(PYTHON) --version 2>&1)): install one, or make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "setup: $$python has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }; \
	  "$$python" -m venv --clear $(VENV) || exit 1; \
	  echo "setup: made $(VENV) with $$("$$python" --version)"; \
	fi; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null || exit 1; \
	$(BIN)/python -m pip install -q --require-hashes -r requirements/bootstrap.txt 2>$(VENV)/pip.log \
	  || { cat $(VENV)/pip.log >&2; exit 1; }; \
	echo "setup: installed $$($(BIN)/uv --version | cut -d' ' -f1,2) ($$(($$(date +%s) - begin)) s)"; touch $@

# $(call install,group): exactly these packages, by hash, and the project itself as a link to this folder.
define install
begin=$$(date +%s); $(use_index); \
$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements/bootstrap.txt requirements/$(1).txt && \
$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e . && \
echo "setup: installed $$(grep -c == requirements/$(1).txt) packages for $(1) ($$(($$(date +%s) - begin)) s)"
endef

$(VENV)/.dev: $(VENV)/.bootstrap requirements/dev.txt pyproject.toml
	@$(call install,dev) && touch $(VENV)/.demo $@

# dev holds all that the demo needs: where it was installed, the demo must not take it away.
$(VENV)/.demo: $(VENV)/.bootstrap requirements/demo.txt pyproject.toml
	@if [ -e $(VENV)/.dev ]; then $(call install,dev) && touch $(VENV)/.dev; else $(call install,demo); fi && touch $@
