#!/usr/bin/env bash
# Builds the fuzz targets with the stable toolchain and runs each of them, or those that are named, for FUZZ_SECONDS. Exits with 1
# if one has found something.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly seconds="${FUZZ_SECONDS:-60}"
readonly directory="$(realpath -m "${CARGO_TARGET_DIR:-../target/fuzz}")"
readonly host="$(rustc -vV | sed -n 's/^host: //p')"
# Bounds of one input: they tell what hangs or grows.
readonly limits=(-timeout=10 -rss_limit_mb=1024)
# The instrumentation that libFuzzer wants. No address sanitizer, which needs a nightly compiler: there is no unsafe code to watch.
readonly instrumentation='--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 -Cpasses=sancov-module
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares'

export CARGO_TARGET_DIR="$directory"

# Everything that stands between quotes in a schema: names that no fuzzer would guess.
write_dictionary() {
  grep -rhoE --include='*.json' '"[A-Za-z0-9.#:/_-]+"' ../lexicons | sort -u >"$directory/lexicons.dict"
}

run() {
  local name="$1" corpus="$directory/corpus/$1" found="$directory/found/$1" log="$directory/$1.log"
  mkdir -p "$corpus" "$found"
  local arguments=("$corpus" "-artifact_prefix=$found/" "-max_total_time=$seconds" -print_final_stats=1 "${limits[@]}")
  case "$name" in json | record) arguments+=("-dict=$directory/lexicons.dict") ;; esac
  if "$directory/$host/release/$name" "${arguments[@]}" >"$log" 2>&1; then
    echo "$name: $(grep -E '^Done' "$log"), $(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)"
  else
    grep -vE '^#[0-9]' "$log" | tail -n 40
    echo "$name: FOUND SOMETHING; once more: $directory/$host/release/$name $found/<file>"
    return 1
  fi
}

[ "$#" -gt 0 ] || set -- $(sed -n 's|^path = "fuzz_targets/\(.*\)\.rs"|\1|p' Cargo.toml)
targets=()
for name in "$@"; do targets+=(--bin "$name"); done
RUSTFLAGS="$instrumentation" cargo build --quiet --release --locked --target "$host" "${targets[@]}"
cargo run --quiet --locked --bin seeds -- "$directory/corpus"
write_dictionary
status=0
for name in "$@"; do run "$name" || status=1; done
exit "$status"
