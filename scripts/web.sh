#!/bin/sh
# Runs a script of web/package.json, such as build or check, with the packages of its lock file.
# Exit status 3: Node.js is missing.
set -eu
cd "$(dirname "$0")/../web"

if ! command -v npm >/dev/null; then
    echo "npm is missing: the web page is built with Node.js 20 or newer" >&2
    exit 3
fi
if command -v flock >/dev/null; then # `make test` runs this twice at once
    exec 9<package-lock.json
    flock 9
fi
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json node_modules/.installed
fi
exec 9<&- # a server that npm starts does not hold the lock
npm run --silent "$1"
