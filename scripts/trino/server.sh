#!/bin/sh
# Puts a Trino, which stands in for Athena in tests, into the directory $1 (by default ~/.cache/spanlake), once: jars
# fetched by mvn, pinned by jars.sha256, and LakeServer compiled. Prints the command that starts it, an argument a line;
# it takes the directory of the tables. Exit status 3: mvn or a Java of 24 or later is missing.
set -eu

cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/spanlake}
here=$(cd "$(dirname "$0")" && pwd)
server=$cache/trino-476

say() { printf '%s\n' "$*" >&2; }

# The first Java that is new enough, of the one that JAVA_HOME names, that of the path, and those in the usual place.
java_home() {
    for home in "${JAVA_HOME:-}" "$(dirname "$(dirname "$(readlink -f "$(command -v java || echo /)")")")" /usr/lib/jvm/*; do
        [ -x "$home/bin/javac" ] || continue
        version=$("$home/bin/javac" -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
        [ "${version:-0}" -ge 24 ] && printf '%s\n' "$home" && return
    done
    say "a JDK of 24 or later is missing: it takes one to run Trino"
    exit 3
}

fetch() {
    command -v mvn >/dev/null || { say "mvn is missing: it takes mvn to fetch Trino"; exit 3; }
    say "Fetching Trino into $cache (once; 110 MB)"
    rm -rf "$server.part"
    mvn --batch-mode --quiet --file "$here/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -DoutputDirectory="$server.part/jars" >&2
    (cd "$server.part/jars" && sha256sum --check --quiet --strict "$here/jars.sha256" >&2)
    mv "$server.part" "$server"
}

home=$(java_home)
mkdir -p "$cache"
exec 9>"$cache/trino.lock"
flock 9
[ -d "$server" ] || fetch
if [ ! "$server/classes/LakeServer.class" -nt "$here/LakeServer.java" ]; then
    "$home/bin/javac" -proc:none -cp "$server/jars/*" -d "$server/classes" "$here/LakeServer.java" >&2
fi
printf '%s\n' "$home/bin/java" -Xmx1500m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
    -cp "$server/classes:$server/jars/*" LakeServer
