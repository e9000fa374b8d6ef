#!/bin/sh
# What the Dockerfile runs, for amd64 or arm64: `image-build ARCHITECTURE prepare` gets the compilers, `image-build ARCHITECTURE install ROOT` builds
# the server and puts it and the libraries it needs below ROOT.
set -eu

case $1 in
  amd64) triple=x86_64-linux-gnu target=x86_64-unknown-linux-gnu ;;
  arm64) triple=aarch64-linux-gnu target=aarch64-unknown-linux-gnu ;;
  *) echo "$0: the architecture is amd64 or arm64, not '$1'" >&2; exit 1 ;;
esac
is_native() { [ "$1" = "$(dpkg --print-architecture)" ]; }

prepare() {
  packages="build-essential ca-certificates clang cmake"
  is_native "$1" || packages="$packages gcc-$triple g++-$triple libc6-dev-$1-cross"
  apt-get update
  # shellcheck disable=SC2086
  apt-get install -y --no-install-recommends $packages
  rm -rf /var/lib/apt/lists/*
  [ -d "$(rustc --print target-libdir --target "$target")" ] || rustup target add "$target"
}

# Where the compiler finds a library of the target.
find_library() { realpath "$("$triple-gcc" -print-file-name="$1")"; }

install_into() { # ARCHITECTURE ROOT
  variable=$(echo "$target" | tr '[:lower:]-' '[:upper:]_')
  export "CARGO_TARGET_${variable}_LINKER=$triple-gcc"
  # The paths of the build machine stay out of the binary, so that the same source gives the same bytes.
  # Relocations in their short form, which the C library beside it reads, make it half a megabyte smaller.
  export RUSTFLAGS="--remap-path-prefix=${CARGO_HOME:-/usr/local/cargo}=/cargo -Clink-arg=-Wl,-z,pack-relative-relocs"
  # What C code says of the day on which it was compiled (mimalloc does).
  export SOURCE_DATE_EPOCH=0
  built=target/release/pds
  is_native "$1" || built=target/$target/release/pds
  # shellcheck disable=SC2046
  cargo build --release --locked --bin pds $(is_native "$1" || echo --target "$target")
  mkdir -p "$2/usr/local/bin"
  "$triple-strip" --strip-all -o "$2/usr/local/bin/pds" "$built"
  interpreter=$("$triple-readelf" --program-headers "$built" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
  install -D -m 0755 "$(find_library "$(basename "$interpreter")")" "$2$interpreter"
  "$triple-readelf" --dynamic "$built" | sed -n 's/.*(NEEDED).*\[\(.*\)]/\1/p' | while read -r library; do
    [ "$library" = "$(basename "$interpreter")" ] || install -D -m 0755 "$(find_library "$library")" "$2/lib/$triple/$library"
  done
}

case $2 in
  prepare) prepare "$1" ;;
  install) install_into "$1" "$3" ;;
esac
