# Sourced by the scripts that put a tool into a virtual environment of its own, with the packages that the file
# requirements.lock in $here pins. $1 is the directory for such environments, by default ~/.cache/spanlake.

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/spanlake}
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }

missing() {
    say "$1"
    exit 3
}

# Prints the directory of the environment $1, and makes it first unless it is there: $2 names the tool, $3 what it takes,
# and the function $4 adds to the directory that it is given what pip does not install. The further arguments are the
# files that pin what is in it.
locked_environment() {
    name=$1 tool=$2 costs=$3 add=$4
    shift 4
    "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        missing "Python 3.11 or later with venv is missing: it takes one to install $tool (or set PYTHON)"
    mkdir -p "$cache"
    exec 9>"$cache/lock-$name"
    flock 9
    environment=$cache/$name-$(cat "$@" | sha256sum | cut -c 1-12)
    [ -f "$environment/.installed" ] || install_locked "$environment"
    printf '%s\n' "$environment"
}

install_locked() {
    rm -rf "$1"
    say "Installing $tool into $1 (once; $costs)"
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps \
        --requirement "$here/requirements.lock" >&2
    "$add" "$1"
    touch "$1/.installed"
}
