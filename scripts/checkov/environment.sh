#!/bin/sh
# Puts checkov into the directory $1 (by default ~/.cache/spanlake), once: an environment of its own, since it needs other
# versions of boto3 than spanlake. To renew what pins every file:
#   uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes --output-file requirements.lock
# Prints the environment's directory. Exit status 3: there is no Python to make it with.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../locked_environment.sh"

locked_environment checkov checkov "a minute, 300 MB" : "$here/requirements.lock"
