#!/bin/sh
# Puts the SAM CLI, and the translator that is SAM's transform, into the directory $1 (by default ~/.cache/spanlake),
# once: an environment of its own, since they need other versions of pydantic than spanlake's tests.
# `uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes` renews what pins every file.
# Prints the environment's directory. Exit status 3: there is no Python to make it with.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../locked_environment.sh"

locked_environment sam "the SAM CLI" "a minute" : "$here/requirements.lock"
