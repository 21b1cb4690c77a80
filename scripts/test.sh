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

# CI runs a test that fails once more, and names it at the end: one that raced is mended, but does not hold up others.
again=()
[[ ${CI:-} = true ]] && again=(--reruns 1 -r R)

work=$(mktemp -d)
tests=0
lint=0

end() { # asks all processes of both to end
    for job in "$tests" "$lint"; do
        if ((job)); then kill -INT -- "-$job" 2>/dev/null || true; fi
    done
    wait
    rm -rf "$work"
}

check() { # the outcome is said at once; a failure ends the tests, and is shown after them
    if "${MAKE:-make}" --no-print-directory lint >"$work/lint" 2>&1 </dev/null; then
        say "make lint: passed"
    else
        touch "$work/failed"
        kill -INT -- "-$tests" 2>/dev/null || true
    fi
}

[[ ${SPANLAKE_TESTS_TOOLS:-} = no ]] || announce
set -m # each job is a process group, and takes SIGINT
trap end EXIT
trap 'exit 130' INT TERM
.venv/bin/pytest -n "$workers" --dist loadfile "${again[@]}" "$@" </dev/null &
tests=$!
check &
lint=$!

status=0
wait "$tests" || status=$?
tests=0
wait "$lint"
lint=0
if [[ -e $work/failed ]]; then
    cat "$work/lint" >&2
    exit 1
fi
exit "$status"
