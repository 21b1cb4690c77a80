#!/bin/sh
# Installs the content of the image $1, edge or serve, into the new folder $2, with the Python $3: by the hashes of the
# lock file, without what is never called, and compiled, so that nothing has to be written when it runs.
set -eu

image=$1
folder=$2
python=$3
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The folders have no pip of their own: nothing that runs uses it.
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
install_locked "$folder" "requirements-$image.txt"
pip_of "$folder" install --no-compile --no-deps --no-index "$work"/spanlake-*.whl

packages=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
PYTHONPATH="$root/layers" PYTHONDONTWRITEBYTECODE=1 "$python" -m spanlake_layers.trim "$packages"
# The compiled files are not compared with the sources when they are loaded, since those cannot change.
"$folder/bin/python" -m compileall -q -q -j 0 --invalidation-mode unchecked-hash "$packages"
