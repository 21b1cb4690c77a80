#!/bin/sh
# Makes the virtual environment $1 and installs into it what the lock file names, then spanlake itself, editable.
set -eu

venv=$1
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

recent_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "spanlake needs Python 3.11 or later. On Debian: apt-get install python3 python3-venv (or set PYTHON=/path/to/python)"
    return 1
}

# Debian ships Python without ensurepip, which venv needs to put pip into a new environment.
ensure_venv_module() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing $package: this Python cannot make virtual environments without it."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
        return
    fi
    say "This Python cannot make virtual environments. Install what is missing, then try again: sudo apt-get install $package"
    return 1
}

if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    python=$(recent_python)
    ensure_venv_module "$python"
    say "Making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

install() { "$venv/bin/python" -m pip install --disable-pip-version-check --quiet "$@"; }

say "Installing what requirements.lock names into $venv (once; a few hundred megabytes)"
# The lock is whole, so pip need not resolve: older ones look for newer releases of what is asked for with an extra.
install --require-hashes --no-deps --requirement requirements.lock
install --no-deps --no-build-isolation --editable .
