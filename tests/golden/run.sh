#!/usr/bin/env bash
# run.sh [PDS_BINARY]   records the answers of a PDS to the reference's recorded calls and compares what differs with differences.md.
# Fails on a difference that is not listed there, and on a listed one that is none any more.
# The scripts and recorded answers are in REFERENCE_DIR (default ../shared/reference beside this repository); without them, or without
# the packages they need, it says that it did not run. One run at a time on a machine: the answers hold with fixed ports.
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
reference="$(realpath -m "${REFERENCE_DIR:-$here/../../../shared/reference}")"
packages="${PDS_REFERENCE_DIR:-$HOME/.cache/pds-reference}"
binary="$(realpath -m "${1:-${CARGO_TARGET_DIR:-$here/../../target}/debug/pds}")"

not_run() {
  printf '\n*** NOT RUN: the comparison with the reference: %s ***\n\n' "$1"
  exit 0
}

[ -f "$reference/golden.sh" ] || not_run "its scripts are missing at $reference"
[ -x "$binary" ] || { echo "$binary is not an executable: cargo build, or run.sh PDS_BINARY" >&2; exit 2; }
export PDS_REFERENCE_DIR="$packages"
if ! cmp -s "$reference/package-lock.json" "$packages/package-lock.json"; then
  "$reference/setup.sh" || not_run "its packages cannot be installed"
fi

exec 9>"$packages/run/golden.lock"
flock 9
work="$(mktemp -d)"
started=()
finish() {
  for name in "${started[@]}"; do "$reference/stop.sh" "$name"; done
  rm -rf "$work"
}
trap finish EXIT

# What is running already is used, and left running.
for name in plc mail appview; do
  if "$reference/start.sh" "$name" 9>&-; then started+=("$name"); fi
done
PDS_CMD="$binary serve" "$reference/golden.sh" "$work/ours" 9>&- >"$work/record.log" 2>&1 || {
  tail -n 20 "$work/record.log" >&2
  echo "the answers could not be recorded" >&2
  exit 1
}
"$packages/bin/node" "$reference/golden-diff.mjs" "$reference/golden" "$work/ours" >"$work/differences"
"$packages/bin/node" "$here/check.mjs" "$here/differences.md" "$work/differences" "$reference/golden" "$work/ours"
