#!/bin/bash
# generate.sh [--check] [VERSION]   writes the schemas of the npm package @atproto/pds into this folder.
# --check writes nothing and fails if they differ: in the pinned version, because a file was edited by hand; in VERSION
# `latest`, because the reference implementation has moved on (then raise PINNED). Needs Node 22 and the npm registry.
set -euo pipefail
PINNED=0.5.35

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
check=()
if [ "${1:-}" = --check ]; then
  check=(--check)
  shift
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
archive="$(cd "$work" && npm pack --silent "@atproto/pds@${1:-$PINNED}")"
tar -xzf "$work/$archive" -C "$work"
node "$here/generate.mjs" "${check[@]}" "$work/package"
