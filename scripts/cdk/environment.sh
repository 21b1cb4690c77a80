#!/bin/sh
# Puts the AWS CDK, as a library for Python and as a command line for Node.js, into the directory $1 (by default
# ~/.cache/spanlake), once: an environment of its own, since nothing else of spanlake needs it. requirements.lock and
# package-lock.json pin every file. To renew them:
#   uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes --output-file requirements.lock
#   npm update --package-lock-only
# Prints the environment's directory, whose bin has python and cdk. Exit status 3: there is no npm, or no Python to make
# it with.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../locked_environment.sh"

command_line() {
    cp "$here/package.json" "$here/package-lock.json" "$1"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --silent >&2)
    ln -s ../node_modules/.bin/cdk "$1/bin/cdk"
}

command -v npm >/dev/null || missing "npm is missing: it takes Node.js with npm to install the AWS CDK, and to run it"
locked_environment cdk "the AWS CDK" "a minute, 500 MB" command_line "$here/requirements.lock" "$here/package-lock.json"
