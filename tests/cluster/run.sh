#!/usr/bin/env bash
# Builds what is missing, starts the cluster, installs the chart as the documents say, and takes everything down again. KEEP=1 leaves it running.
# PDS_IMAGE_TAR names an image to use instead of building one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/cluster/lib.sh
export TOOLS="${TOOLS:-$HOME/.cache/pds-tools}" K8S NODE_IP ONENODE PDS_CLUSTER

[ "$(id -u)" -eq 0 ] || { echo "make test-cluster: needs root, for network namespaces and containers" >&2; exit 1; }
tests/helm/setup.sh
tests/cluster/setup.sh
[ -n "${PDS_IMAGE_TAR:-}" ] || tests/cluster/image.sh
image=${PDS_IMAGE_TAR:-$PDS_CLUSTER/tar/pds.tar}

WIPE=1 tests/cluster/down.sh
finish() {
  [ -z "${KEEP:-}" ] || { echo "the cluster is left running; tests/cluster/down.sh stops it"; return; }
  WIPE=1 tests/cluster/down.sh
}
trap finish EXIT
IMAGES="$PDS_CLUSTER/tar/pause.tar $image" tests/cluster/up.sh
start plc python3 "$PWD/tests/cluster/plc.py" "$NODE_IP" 2582
python3 tests/cluster/install_test.py "$@"
