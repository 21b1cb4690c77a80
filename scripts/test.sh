#!/usr/bin/env bash
# Runs every test and, beside them, the checks of `make lint`; ends at once when a check fails. The arguments are pytest's.
# pytest's summary closes the output.
set -euo pipefail
cd "$(dirname "$0")/.."

cores=$(getconf _NPROCESSORS_ONLN)
# One more than there are cores: tests often wait, for a disk, a server's start or a moment to pass.
workers=${WORKERS:-$((cores < 5 ? cores + 1 : 6))}

say() { printf '%s\n' "$*" >&2; }

announce() {
    say "Running all checks and tests: about 15 minutes on two cores, with $workers processes."
    say "Tests use Go 1.25, Java 17, Maven and Node.js 20, and fetch 4.7 GB into ${XDG_CACHE_HOME:-$HOME/.cache} the first time,"
    say "which takes about 10 minutes more. \`make check\` goes without."
    missing=()
    for program in go java mvn npm; do
        PATH=$PATH:/usr/local/go/bin command -v "$program" >/dev/null || missing+=("$program")
    done
    if ((${#missing[@]})); then
        say "Missing here: ${missing[*]}. $([[ ${CI:-} = true ]] && echo "Tests that need them fail." || echo "Tests that need them are skipped, and say so.")"
    fi
}

log=$(mktemp)
lint=0
tests=0

end() { # asks both to end, with all their processes; pytest still prints its summary
    for job in "$lint" "$tests"; do
        if ((job)); then kill -INT -- "-$job" 2>/dev/null || true; fi
    done
    wait
    rm -f "$log"
}

[[ ${SPANLAKE_TESTS_TOOLS:-} = no ]] || announce
set -m # each job is a process group, and takes SIGINT
trap end EXIT
trap 'exit 130' INT TERM
"${MAKE:-make}" --no-print-directory lint >"$log" 2>&1 </dev/null &
lint=$!
.venv/bin/pytest -n "$workers" --dist loadfile "$@" </dev/null &
tests=$!

status=0
wait -n "$lint" "$tests" || status=$?
if ! kill -0 "$lint" 2>/dev/null; then # the checks ended first
    cat "$log"
    ((status == 0)) || exit "$status"
    lint=0
    wait "$tests"
    exit
fi
wait "$lint" || {
    cat "$log"
    exit 1
}
exit "$status"
