#!/bin/sh
# Installs what is in the image: spanlake's edge, into the new folder $1, with the Python $2. By the hashes of the lock
# file, without what is never called, and compiled, so that nothing has to be written when it runs.
set -eu

folder=$1
python=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The folders have no pip of their own: what runs has no use for one.
pip_of() {
    of=$1
    shift
    "$python" -m pip --python "$of/bin/python" --disable-pip-version-check --no-input --quiet "$@"
}

install_locked() {
    pip_of "$1" install --no-compile --no-deps --only-binary :all: --require-hashes --requirement "$here/$2"
}

"$python" -m venv --without-pip "$work/build"
install_locked "$work/build" requirements-build.txt
pip_of "$work/build" wheel --no-build-isolation --no-deps --wheel-dir "$work" "$root"

"$python" -m venv --without-pip "$folder"
install_locked "$folder" requirements.txt
pip_of "$folder" install --no-compile --no-deps --no-index "$work"/spanlake-*.whl

packages=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
PYTHONPATH="$root/layers" PYTHONDONTWRITEBYTECODE=1 "$python" -m spanlake_layers.trim "$packages"
# Not compared with the sources when it is loaded, since they can not change.
"$folder/bin/python" -m compileall -q -q -j 0 --invalidation-mode unchecked-hash "$packages"
