#!/usr/bin/env bash
# Builds our image with `make image` and writes it to $PDS_CLUSTER/tar/pds.tar. Where no registry can be reached, the build image is made of this
# machine's Debian and Rust; crates and compiled dependencies come from its caches.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/cluster/lib.sh

base=localhost/pds-build-base:$(rustc --version | cut -d ' ' -f 2)
tests/cluster/base-image.sh "$base"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
mkdir -p "$PDS_CLUSTER/tar" "$PDS_CLUSTER/image-target" "$HOME/.cargo/registry"
make --no-print-directory image IMAGE_BUILDER=buildah IMAGE_ARGUMENTS="--pull-never --build-arg BUILD_IMAGE=$base \
  --volume $HOME/.cargo/registry:/usr/local/cargo/registry --volume $PDS_CLUSTER/image-target:/source/target" >"$PDS_CLUSTER/image.log" 2>&1 ||
  { tail -n 40 "$PDS_CLUSTER/image.log"; exit 1; }
# As a registry keeps it, that is, compressed.
readonly at_most=25000000
layout=$(mktemp -d)
buildah push --quiet "localhost/pds:$version" "oci:$layout"
size=$(du -sb "$layout" | cut -f 1)
rm -r "$layout"
[ "$size" -le $at_most ] || { echo "the image has $size bytes, more than $at_most" >&2; exit 1; }
echo "image: $size bytes"
rm -f "$PDS_CLUSTER/tar/pds.tar"
buildah push --quiet "localhost/pds:$version" "docker-archive:$PDS_CLUSTER/tar/pds.tar:docker.io/library/pds:$version"
tests/cluster/check_image.py "$PDS_CLUSTER/tar/pds.tar" "$version"
