#!/bin/sh
# Runs one of Kafka's own tools by the name of its main class:
#   scripts/kafka-tools.sh org.apache.kafka.tools.TopicCommand --bootstrap-server 127.0.0.1:9092 --list
# Maven brings the tools into .cache/kafka-tools the first time; that needs `mvn`, and all of it a
# JDK 17 or later. Without arguments it only fetches, and prints the class path.
# KAFKA_HEAP_OPTS and KAFKA_OPTS are handed to Java.
set -eu

VERSION=4.3.1
CACHE=$(cd "$(dirname "$0")/.." && pwd)/.cache
TOOLS=$CACHE/kafka-tools/$VERSION

if [ ! -d "$TOOLS" ]; then
  mkdir -p "$CACHE/kafka-tools"
  # Made elsewhere and renamed, so that nobody else ever sees half of it.
  STAGING=$(mktemp -d "$CACHE/kafka-tools/staging-XXXXXX")
  trap 'rm -rf "$STAGING"' EXIT
  dependency() {
    echo "<dependency><groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version></dependency>"
  }
  {
    echo '<project><modelVersion>4.0.0</modelVersion><groupId>tools</groupId>'
    echo '<artifactId>tools</artifactId><version>1</version><dependencies>'
    dependency org.apache.kafka kafka-tools "$VERSION"
    dependency org.apache.kafka kafka_2.13 "$VERSION"
    # Without a logger the library complains on stderr; with this one it is silent.
    dependency org.slf4j slf4j-nop 1.7.36
    echo '</dependencies></project>'
  } >"$STAGING/pom.xml"
  (cd "$STAGING" && mvn -q -B \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory=libraries) >&2
  mv -T "$STAGING/libraries" "$TOOLS" 2>/dev/null || test -d "$TOOLS"
fi

if [ $# -eq 0 ]; then
  echo "$TOOLS/*"
  exit
fi
# Tools live seconds: compiling them well would take longer than they run.
exec java ${KAFKA_HEAP_OPTS:--Xmx256m} -XX:TieredStopAtLevel=1 ${KAFKA_OPTS:-} -cp "$TOOLS/*" "$@"
