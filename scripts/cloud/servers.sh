#!/bin/sh
# Puts what stands in for AWS in tests and benchmarks into the directory $1 (by default ~/.cache/spanlake), once: the S3
# server versitygw, built by go, and DynamoDB Local, fetched by mvn. go.sum and jars.sha256 pin every file.
# Prints the directory. Exit status 3: go, java or mvn is missing.
set -eu

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/spanlake}
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/local/go/bin # where Go's own archive is unpacked to

say() { printf '%s\n' "$*" >&2; }

need() {
    command -v "$1" >/dev/null && return
    say "$1 is missing: it takes $2"
    exit 3
}

s3_server() {
    need go "go 1.25 or later to build the S3 server"
    say "Building the S3 server versitygw into $cache (once; two minutes)"
    (cd "$here" && go build -mod=readonly -o "$cache/versitygw.part" github.com/versity/versitygw/cmd/versitygw)
    mv "$cache/versitygw.part" "$1"
}

dynamodb() {
    need mvn "mvn to fetch DynamoDB Local"
    say "Fetching DynamoDB Local into $cache (once; 50 MB)"
    rm -rf "$cache/dynamodb.part"
    mvn --batch-mode --quiet --file "$here/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$cache/dynamodb.part" >&2
    (cd "$cache/dynamodb.part" && sha256sum --check --quiet --strict "$here/jars.sha256" >&2)
    mv "$cache/dynamodb.part" "$1"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
need java "a Java runtime to run DynamoDB Local"
[ -x "$cache/versitygw-1.8.0" ] || s3_server "$cache/versitygw-1.8.0"
[ -d "$cache/dynamodb-local-2.6.1" ] || dynamodb "$cache/dynamodb-local-2.6.1"
printf '%s\n' "$cache"
