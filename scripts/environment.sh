#!/bin/sh
# Makes the virtual environment $1 and installs into it the locked packages of $2: "run" for what a server needs, "all"
# for tests and checks too, each with spanlake itself, editable; "build" for what makes a wheel.
set -eu

venv=$1
packages=$2
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

pip() { "$venv/bin/python" -m pip install --disable-pip-version-check --no-compile --progress-bar off "$@"; }

# Installs the file $1, and says so in the words $2 with the size $3; prints a line for each package as pip comes to it,
# and all that pip prints when it fails.
install_locked() {
    log=$(mktemp)
    total=$(grep -c '^[a-z0-9.-]*==' "$1")
    say "$2 into $venv, once: $total packages, $3"
    {
        pip --require-hashes --no-deps --requirement "$1" 2>&1 || echo "pip failed"
    } | tee "$log" | awk -v total="$total" '
        $1 == "Collecting" { count++; name = $2 }
        $1 == "Requirement" { count++ }
        $1 == "Downloading" || ($1 == "Using" && $2 == "cached") {
            size = $0
            sub(/^[^(]*/, "", size)
            printf "  %d of %d: %s %s\n", count, total, name, size
        }
        $1 == "Installing" { print "  unpacking" }
        { fflush() }' >&2
    if grep -q '^pip failed$' "$log"; then
        cat "$log" >&2
        return 1
    fi
    rm -f "$log"
}

# The lock is whole, so pip need not resolve: older ones look for newer releases of what is asked for with an extra.
case $packages in
    build) install_locked infra/image/requirements-build.txt "Installing what builds a wheel" "1 MB" && exit ;;
    run) install_locked scripts/requirements-run.txt "Installing the server" "105 MB to download, 340 MB on disk" ;;
    all) install_locked requirements.lock "Installing what tests and checks need" "270 MB to download, 880 MB on disk" ;;
esac
pip --quiet --no-deps --no-build-isolation --editable .
