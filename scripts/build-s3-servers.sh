#!/usr/bin/env bash
# Builds the S3 servers that the tests run against into .cache/bin. Needs Go. Does nothing for a
# server that is there already at the pinned version, so every test run may call it.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSITYGW=github.com/versity/versitygw/cmd/versitygw@v1.8.0
MINIO=github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c

bin="$PWD/.cache/bin"
mkdir -p "$bin"

command -v go > /dev/null || { echo >&2 'Go is missing: install it from https://go.dev'; exit 1; }

ticker=
trap '[[ -z "$ticker" ]] || kill "$ticker" 2> /dev/null || true' EXIT

build() {
  local name=$1 module=$2
  local stamp="$bin/$name.version" version="static $2"
  if [[ -x "$bin/$name" && -f "$stamp" && "$(cat "$stamp")" == "$version" ]]; then
    echo "$name: already built ($module)"
    return
  fi
  echo "$name: building $module (some minutes when Go's cache is cold)"
  local started=$SECONDS
  (
    # The sleep must end with its shell: it would hold the caller's output open.
    trap 'kill $! 2> /dev/null; exit' TERM
    while :; do
      sleep 15 & wait $!
      echo "$name: still building, $((SECONDS - started)) s"
    done
  ) &
  ticker=$!
  # Two compiler processes at most, and at low priority: this often runs beside somebody's tests.
  # Static, so that a program can be an image by itself.
  CGO_ENABLED=0 GOBIN="$bin" GOFLAGS='-p=2' nice -n 10 go install "$module"
  kill "$ticker"
  echo "$version" > "$stamp"
  echo "$name: built in $((SECONDS - started)) s"
}

build versitygw "$VERSITYGW"
build minio "$MINIO"
