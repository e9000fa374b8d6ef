#!/usr/bin/env bash
# The tools of the chart's tests, into $TOOLS: Helm 3 and 4, helm-unittest, and a Python with kubernetes-validate. Some minutes when nothing is
# cached, nothing when all is there. Exit status 3: a tool cannot be had on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly tools="${TOOLS:-$HOME/.cache/pds-tools}"
readonly helm3_version=v3.22.0 helm4_version=v4.3.1
readonly python_packages=(kubernetes-validate==1.37.0 PyYAML==6.0.3)

mkdir -p "$tools/bin"
export GOFLAGS=-trimpath CGO_ENABLED=0

need_go() {
  command -v go >/dev/null && return
  echo "$0: Go is missing, and Helm is built with it: https://go.dev/dl" >&2
  exit 3
}

# An installed Helm that was not told which Kubernetes it knows assumes 1.20.
install_helm() { # NAME MODULE VERSION PACKAGES-THAT-KNOW-KUBERNETES…
  local name=$1 module=$2 version=$3 flags directory; shift 3
  [ "$("$tools/bin/$name" version --short 2>/dev/null | cut -d + -f 1)" = "$version" ] && return
  need_go
  flags="-s -w -X $module/internal/version.version=$version"
  for package in "$@"; do flags+=" -X $module/$package.k8sVersionMajor=1 -X $module/$package.k8sVersionMinor=36"; done
  directory=$(mktemp -d)
  GOBIN=$directory go install -ldflags "$flags" "$module/cmd/helm@$version"
  mv "$directory/helm" "$tools/bin/$name"
  rmdir "$directory"
}

install_helm helm3 helm.sh/helm/v3 $helm3_version pkg/chartutil pkg/lint/rules
install_helm helm4 helm.sh/helm/v4 $helm4_version
[ -x "$tools/bin/helm-unittest" ] && [ "$tools/bin/helm-unittest" -nt unittest/go.mod ] || {
  need_go
  (cd unittest && go build -ldflags '-s -w' -o "$tools/bin/helm-unittest" github.com/helm-unittest/helm-unittest/cmd/helm-unittest)
}

[ -x "$tools/chart-python/bin/python" ] || python3 -m venv "$tools/chart-python"
[ "$(cat "$tools/chart-python/installed" 2>/dev/null)" = "${python_packages[*]}" ] || {
  "$tools/chart-python/bin/pip" install --quiet --disable-pip-version-check "${python_packages[@]}"
  echo "${python_packages[*]}" >"$tools/chart-python/installed"
}
