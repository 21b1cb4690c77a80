#!/bin/sh
# Prints where Chromium is. Under CI, where it is missing, it is installed from Debian's packages.
# Exit status 3: it is missing.
set -eu

find_chromium() {
    for name in chromium chromium-headless-shell chromium-browser google-chrome; do
        command -v "$name" && return
    done
    return 1
}

install_chromium() {
    [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium; } >&2
}

find_chromium && exit
if ! install_chromium; then
    echo "chromium is missing: it takes a browser to send spans from a page (Debian: apt-get install chromium)" >&2
    exit 3
fi
find_chromium
