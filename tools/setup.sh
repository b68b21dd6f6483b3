#!/bin/sh
# The virtual environment: `sh tools/setup.sh GROUP` for requirements/GROUP.txt; `bootstrap` brings uv alone.
#
# It may be interrupted at any moment: everything is built in .venv.new, verified there and moved into place, so that
# .venv is what it was before, or whole, or not there. What it says of itself (.venv/.holds) is compared at each call.
set -eu
cd "$(dirname "$0")/.."

group=$1
home=$PWD/.venv
new=$PWD/.venv.new
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))'
began=$(date +%s)

fail() { echo "setup: $1" >&2; exit 1; }
took() { echo "($(($(date +%s) - began)) s)"; }
trap 'echo "setup: interrupted; nothing is half done, call it again" >&2; exit 130' INT TERM HUP

# Of a group: the folder (an environment that was moved holds wrong paths), the pins, the project's entry points.
identity() { printf '%s ' "$1"; { pwd; cat requirements/bootstrap.txt "requirements/$1.txt" pyproject.toml; } | cksum; }
pinned=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements/bootstrap.txt)
has_uv() { [ "$("$1/bin/uv" --version 2>/dev/null | cut -d' ' -f2)" = "$pinned" ]; }
runs() { "$1/bin/python" -c "$fits" 2>/dev/null && has_uv "$1"; }
# dev holds all that the others need: where it was installed, it is kept.
holds() {
  runs "$home" || return 1
  for each in "$group" dev; do [ "$(cat "$home/.holds" 2>/dev/null)" != "$(identity "$each")" ] || return 0; done
  [ "$group" = bootstrap ]
}

if holds; then exit 0; fi
# One at a time. The lock is on this folder itself, and goes with the last process of a set-up that was killed.
if command -v flock >/dev/null; then
  exec 9<.
  flock -n 9 || { echo "setup: waits for another one that is under way here"; flock 9; }
  if holds; then exit 0; fi
fi

[ "$(uname -sm)" = "Linux x86_64" ] ||
  fail "the pins are for Linux x86_64, this is $(uname -sm): use a Linux machine or container"
case $(cat "$home/.holds" 2>/dev/null) in "dev "*) [ "$group" = bootstrap ] || group=dev ;; esac

# ---- what is to become .venv: a copy of what runs (links, a second), else made anew ------------------------------
rm -rf "$new" .venv.old
if "$home/bin/python" -c "$fits" 2>/dev/null; then
  cp -al .venv "$new" 2>/dev/null || { rm -rf "$new"; cp -a .venv "$new"; }
  rm -f "$new/.holds"
else
  for python in "${PYTHON:-python3}" python3.12 python3.11 none; do "$python" -c "$fits" 2>/dev/null && break; done
  [ "$python" != none ] || fail "needs Python 3.11 or 3.12 ($("${PYTHON:-python3}" --version 2>&1)): install one, or make PYTHON=/path/to/python3.11"
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv)"
  "$python" -m venv "$new"
  echo "setup: made an environment with $("$python" --version) $(took)"
fi

# ---- uv, by pip; then exactly the pinned packages, and the project itself as a link to this folder ----------------
if ! has_uv "$new"; then
  "$new/bin/python" -m pip --version >/dev/null 2>&1 || "$new/bin/python" -m ensurepip >/dev/null
  # Reinstalled: pip takes a package for installed that has lost files.
  "$new/bin/python" -m pip install -q --force-reinstall --require-hashes -r requirements/bootstrap.txt 2>"$new/pip.log" ||
    { cat "$new/pip.log" >&2; fail "uv could not be installed: is the package index reachable?"; }
  echo "setup: installed uv $pinned $(took)"
fi

# uv does not read pip's configuration: tell it the index and the certificates that pip would use.
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$("$new/bin/python" -m pip config get global.index-url 2>/dev/null || true)}}}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
[ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"

install() { # what uv keeps from before is enough where the index is away
  "$new/bin/uv" pip sync -q "$@" --python "$new/bin/python" --require-hashes requirements/bootstrap.txt "$pins" &&
    "$new/bin/uv" pip install -q "$@" --python "$new/bin/python" --no-deps --no-build-isolation -e .
}
if [ "$group" != bootstrap ]; then
  pins=requirements/$group.txt
  install --offline 2>/dev/null || install || fail "the packages could not be installed; call it again when the index is reachable"
fi

# ---- verified, then moved into place ------------------------------------------------------------------------------
"$new/bin/python" -I tools/installed.py || fail "the new environment is not whole; call it again"
grep -rlIF "$new" "$new/bin" "$new/pyvenv.cfg" | while read -r file; do sed -i "s#$new#$home#g" "$file"; done
identity "$group" >"$new/.holds"
runs "$new" || fail "the new environment does not run"
trap '' INT TERM HUP
[ ! -e .venv ] || mv .venv .venv.old
mv "$new" .venv
rm -rf .venv.old
# Ours too: seven workers that start at once would each compile the same sources.
[ "${UV_COMPILE_BYTECODE:-0}" = 0 ] || .venv/bin/python -m compileall -q -j 0 libs services cli || true
[ "$group" = bootstrap ] || echo "setup: installed $(grep -c == "$pins") packages for $group $(took)"
