#!/usr/bin/env bash
# Builds what a Kubernetes on this machine is made of into .cache/bin: the control plane, kubelet,
# kube-proxy, kubectl, what pods pause in, CoreDNS and Helm. Needs Go, and some 8 GB of disk for Go's caches. Does
# nothing for what is there already at the pinned version, so every test run may call it.
# What a folder named by KUBEBUILDER_ASSETS holds is used from there, and not built.
# GO_BUILD_FLAGS are given to every build: -p=1 leaves the machine to others.
set -euo pipefail
cd "$(dirname "$0")/.."

COREDNS=github.com/coredns/coredns@v1.15.0
HELM=helm.sh/helm/v4/cmd/helm@v4.3.1
KUBERNETES=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)

bin="$PWD/.cache/bin"
mkdir -p "$bin"

command -v go > /dev/null || { echo >&2 'Go is missing: install it from https://go.dev'; exit 1; }

ticker=
trap '[[ -z "$ticker" ]] || kill "$ticker" 2> /dev/null || true' EXIT

# take_given <name>: links the program that KUBEBUILDER_ASSETS has; fails where it has none.
take_given() {
  local given="${KUBEBUILDER_ASSETS:-}/$1"
  [[ -n "${KUBEBUILDER_ASSETS:-}" && -x "$given" ]] || return 1
  ln -sfn "$given" "$bin/$1"
  echo "given $given" > "$bin/$1.version"
  echo "$1: $given"
}

is_built() {
  [[ -x "$bin/$1" && -f "$bin/$1.version" && "$(cat "$bin/$1.version")" == "$2" ]]
}

# build <name> <version> <command…>: runs the command, which makes the program, unless it is there.
build() {
  local name=$1 version=$2
  shift 2
  if take_given "$name"; then return; fi
  if is_built "$name" "$version"; then
    echo "$name: already built ($version)"
    return
  fi
  echo "$name: building $version (some minutes when Go's cache is cold)"
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
  # A link to a given program must not be written through.
  rm -f "$bin/$name" "$bin/$name.version"
  GOBIN="$bin" CGO_ENABLED=0 GOFLAGS="${GO_BUILD_FLAGS:--p=2}" nice -n 19 "$@"
  kill "$ticker"
  echo "$version" > "$bin/$name.version"
  echo "$name: built in $((SECONDS - started)) s"
}

release=$(go -C scripts/kubernetes list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r major minor _ <<< "${release#v}"
stamp=k8s.io/component-base/version
# Without these flags the programs say v0.0.0, and clients that look at versions refuse them.
flags="-s -w -X $stamp.gitVersion=$release -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor"

build pause 'pause of 2026-11' \
  go -C scripts/kubernetes build -trimpath -ldflags '-s -w' -o "$bin/pause" ./pause
for program in "${KUBERNETES[@]}"; do
  build "$program" "k8s.io/kubernetes@$release" \
    go -C scripts/kubernetes build -trimpath -ldflags "$flags" -o "$bin/$program" \
    "k8s.io/kubernetes/cmd/$program"
done
build coredns "$COREDNS" go install -trimpath -ldflags '-s -w' "$COREDNS"
build helm "$HELM" go install -trimpath -ldflags '-s -w' "$HELM"
# Argo CD's engine wants a newer Go than the others, which Go brings itself.
GOTOOLCHAIN=go1.27.0 build argo-check \
  "argo-check $(cat scripts/argo-check/*.go scripts/argo-check/go.mod | sha256sum | cut -c 1-16)" \
  go -C scripts/argo-check build -trimpath -ldflags '-s -w' -o "$bin/argo-check" .
