#!/bin/sh
# Puts the AWS CDK, as a library for Python and as a command line for Node.js, into the directory $1 (by default
# ~/.cache/spanlake), once: an environment of its own, since nothing else of spanlake needs it. requirements.lock and
# package-lock.json pin every file. To renew them:
#   uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes --output-file requirements.lock
#   npm update --package-lock-only
# Prints the environment's directory, whose bin has python and cdk. Exit status 3: there is no npm, or no Python to make
# it with.
set -eu

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/spanlake}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }

missing() {
    say "$1"
    exit 3
}

install() {
    rm -rf "$1"
    say "Installing the AWS CDK into $1 (once; a minute, 500 MB)"
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps \
        --requirement "$here/requirements.lock" >&2
    cp "$here/package.json" "$here/package-lock.json" "$1"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --silent >&2)
    ln -s ../node_modules/.bin/cdk "$1/bin/cdk"
    touch "$1/.installed"
}

command -v npm >/dev/null || missing "npm is missing: it takes Node.js with npm to install the AWS CDK, and to run it"
"$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    missing "Python 3.11 or later with venv is missing: it takes one to install the AWS CDK (or set PYTHON)"
mkdir -p "$cache"
exec 9>"$cache/lock-cdk"
flock 9
environment=$cache/cdk-$(cat "$here/requirements.lock" "$here/package-lock.json" | sha256sum | cut -c 1-12)
[ -f "$environment/.installed" ] || install "$environment"
printf '%s\n' "$environment"
