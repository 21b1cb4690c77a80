#!/bin/sh
# Puts the SAM CLI, and the translator that is SAM's transform, into the directory $1 (by default ~/.cache/spanlake),
# once: an environment of its own, since they need other versions of pydantic than spanlake's tests.
# `uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes` renews what pins every file.
# Prints the environment's directory. Exit status 3: there is no Python to make it with.
set -eu

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/spanlake}
here=$(cd "$(dirname "$0")" && pwd)

say() { printf '%s\n' "$*" >&2; }

install() {
    rm -rf "$1"
    say "Installing the SAM CLI into $1 (once; a minute)"
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps \
        --requirement "$here/requirements.lock" >&2
    touch "$1/.installed"
}

python=${PYTHON:-python3}
if ! "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "Python 3.11 or later with venv is missing: it takes one to install the SAM CLI (or set PYTHON)"
    exit 3
fi
mkdir -p "$cache"
exec 9>"$cache/lock-sam"
flock 9
environment=$cache/sam-$(sha256sum "$here/requirements.lock" | cut -c 1-12)
[ -f "$environment/.installed" ] || install "$environment"
printf '%s\n' "$environment"
