#!/bin/sh
# Puts checkov into the directory $1 (by default ~/.cache/spanlake), once: an environment of its own, since it needs other
# versions of boto3 than spanlake. To renew what pins every file:
#   uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes --output-file requirements.lock
# Prints the environment's directory. Exit status 3: there is no Python to make it with.
set -eu

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/spanlake}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }

install() {
    rm -rf "$1"
    say "Installing checkov into $1 (once; a minute, 300 MB)"
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps \
        --requirement "$here/requirements.lock" >&2
    touch "$1/.installed"
}

if ! "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "Python 3.11 or later with venv is missing: it takes one to install checkov (or set PYTHON)"
    exit 3
fi
mkdir -p "$cache"
exec 9>"$cache/lock-checkov"
flock 9
environment=$cache/checkov-$(sha256sum "$here/requirements.lock" | cut -c 1-12)
[ -f "$environment/.installed" ] || install "$environment"
printf '%s\n' "$environment"
