#!/bin/sh
# Puts what the programs of docs/send-traces.md need into a cache, once for each state of the files that lock it, and
# prints its path. Arguments: python/NAME (a virtual environment of $PYTHON), node (modules), java (jars), collector
# (a program), xray (a program, and a segment that an SDK of X-Ray sent).
# Exit status 3: a tool is missing.
set -eu

what=$1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/spanlake/interop
locks=$(cd "$(dirname "$0")/../../tests/scenarios/interop" && pwd)
python=${PYTHON:-python3}
PATH=$PATH:/usr/local/go/bin # where Go's own archive is unpacked to

say() { printf '%s\n' "$*" >&2; }

need() {
    command -v "$1" >/dev/null && return
    say "$1 is missing: it takes $2"
    exit 3
}

state() { cat "$@" | sha256sum | cut -c 1-16; }

python_environment() {
    "$python" -m venv --without-pip "$1" >&2
    # Some clients were only ever published as source: what builds them is locked too.
    install_python "$1" "$locks/python/build.txt"
    install_python "$1" "$locks/$what.txt" --no-build-isolation
}

install_python() {
    "$python" -m pip --python "$1/bin/python" install --disable-pip-version-check --quiet --require-hashes --no-deps \
        --requirement "$2" ${3:+"$3"} >&2
}

node_modules() {
    need npm "npm to install the clients for Node.js"
    mkdir "$1"
    cp "$locks/node/package.json" "$locks/node/package-lock.json" "$1"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --silent >&2)
}

jars() {
    need java "Java to run its clients"
    need mvn "mvn to fetch the clients for Java"
    mvn --batch-mode --quiet --file "$locks/java/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$1" >&2
    (cd "$1" && sha256sum --check --quiet --strict "$locks/java/jars.sha256" >&2)
}

collector() {
    need go "go 1.25 or later to build the Collector"
    say "Building the OpenTelemetry Collector into $cache (once; two minutes)"
    (cd "$locks/collector" && go build -mod=readonly -o "$1/collector" .)
}

# A module of the receiver has raw segments, as captured for its own tests.
xray() {
    need go "go 1.25 or later to build the Collector"
    say "Building an OpenTelemetry Collector with the receiver of X-Ray into $cache (once; two minutes)"
    (
        cd "$locks/xray"
        go build -mod=readonly -o "$1/collector" .
        module=$(go list -mod=readonly -m -f '{{.Dir}}' \
            github.com/open-telemetry/opentelemetry-collector-contrib/internal/aws/xray)
        cp "$module/testdata/ddbSample.txt" "$1/segment.json"
    )
}

case $what in
    python/*) name=$(state "$locks/$what.txt")-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') make=python_environment ;;
    node) name=$(state "$locks/node/package-lock.json") make=node_modules ;;
    java) name=$(state "$locks/java/jars.sha256") make=jars ;;
    collector) name=$(state "$locks/collector/main.go" "$locks/collector/go.sum") make=collector ;;
    xray) name=$(state "$locks/xray/main.go" "$locks/xray/go.sum") make=xray ;;
    *) say "there is no client $what" && exit 2 ;;
esac

target=$cache/$(printf %s "$what" | tr / -)-$name
mkdir -p "$cache"
exec 9>"$target.lock"
flock 9
if [ ! -e "$target/.made" ]; then
    rm -rf "$target"
    $make "$target"
    touch "$target/.made"
fi
printf '%s\n' "$target"
