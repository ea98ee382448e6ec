#!/bin/sh
# Checks the contracts: the committed artifacts are what the sources build to, and
# forge's unit, fuzz and invariant tests pass.  Installs what it needs with npm, once.
#   sh contracts/check.sh            check
#   sh contracts/check.sh --write    rebuild the artifacts first
set -eu
cd "$(dirname "$0")"

fail() {
    echo "contracts: $1" >&2
    echo "  try: $2" >&2
    exit 1
}

command -v node >/dev/null 2>&1 ||
    fail "no node: the Solidity compiler needs Node.js 20 or later" "apt-get install nodejs npm"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] ||
    fail "node $major is too old: the Solidity compiler needs Node.js 20 or later" "apt-get install -t bookworm-backports nodejs, or another newer Node.js"

# npm writes its own lock into node_modules; if it is older than ours, ours changed.
installed=node_modules/.package-lock.json
if [ ! -f "$installed" ] || [ package-lock.json -nt "$installed" ]; then
    command -v npm >/dev/null 2>&1 || fail "no npm to install the compiler with" "apt-get install npm"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error ||
        fail "npm could not install the compiler and forge" "npm ci in contracts/, with a network"
    touch "$installed"
fi

forge=node_modules/@foundry-rs/forge-linux-amd64/bin/forge
[ -x "$forge" ] ||
    fail "no forge for $(uname -s) $(uname -m): the contract tests run on x86-64 Linux" "run this stage there; edgeproof itself needs neither node nor forge"

if [ "${1:-}" = "--write" ]; then
    node tools/build.mjs
fi
node tools/build.mjs --check
"$forge" test
