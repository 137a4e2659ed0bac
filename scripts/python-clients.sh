#!/bin/sh
# Brings the Python clients that compat/clients/requirements.txt pins into .cache/python-clients the
# first time, and prints the folder for PYTHONPATH. Needs python3 with pip.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
REQUIREMENTS=$ROOT/compat/clients/requirements.txt
# Packages have compiled parts, which belong to one version of Python.
PYTHON=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
SUM=$(cksum <"$REQUIREMENTS" | cut -d ' ' -f 1)
CACHE=$ROOT/.cache/python-clients
PACKAGES=$CACHE/$PYTHON-$SUM

if [ ! -d "$PACKAGES" ]; then
  python3 -m pip --version >/dev/null 2>&1 || {
    echo 'python3 has no pip: install python3-pip' >&2
    exit 1
  }
  mkdir -p "$CACHE"
  # Made elsewhere and renamed, so that nobody else ever sees half of it.
  STAGING=$(mktemp -d "$CACHE/staging-XXXXXX")
  trap 'rm -rf "$STAGING"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile --only-binary :all: \
    --require-hashes --target "$STAGING/packages" --requirement "$REQUIREMENTS" >&2
  mv -T "$STAGING/packages" "$PACKAGES" 2>/dev/null || test -d "$PACKAGES"
fi

echo "$PACKAGES"
